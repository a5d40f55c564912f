/* A restore from a bundle, as it is seen outside of the container: its hooks, in their order, and
 * its state file. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/filter.h"
#include "oci/bundle.h"

struct runtime {
	const struct bundle *bundle; /* borrowed; NULL: there is none, and nothing is done */
	const char *id;		     /* borrowed */
	struct filter saved;	     /* borrowed: what tasks have besides the bundle's */
	bool has_begun;		     /* hooks have run: those of the end are due */
	bool is_registered;
};

/* Before the first task does anything: prestart and createRuntime hooks. */
int runtime_begin(struct runtime *runtime, pid_t init, struct err *err);
/* It is complete, and does not run yet. */
int runtime_register(struct runtime *runtime, pid_t init, struct err *err);
/* It runs: poststart hooks. */
int runtime_started(const struct runtime *runtime, pid_t init, struct err *err);
/* It has ended: poststop hooks, unless somebody else has run them. What fails is logged. */
void runtime_end(struct runtime *runtime);
/* In the first task: createContainer and startContainer hooks. */
int runtime_inside(const struct runtime *runtime, enum oci_stage stage, struct err *err);
