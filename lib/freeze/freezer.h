/* The cgroup freezer's two forms behind one door. For lib/freeze only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "target/target.h"

struct freezer {
	/* Asks for it and waits until the deadline; -ETIMEDOUT then. */
	int (*freeze)(int cgroup, uint64_t deadline, struct err *err);
	int (*thaw)(int cgroup, struct err *err);
	/* Are all tasks frozen, for whatever reason? */
	int (*is_frozen)(int cgroup, bool *ret_is_frozen, struct err *err);
	/* Was it this cgroup that somebody asked to freeze, not one above it? */
	int (*is_asked)(int cgroup, bool *ret_is_asked, struct err *err);
};

extern const struct freezer freezer_cgroup1;
extern const struct freezer freezer_cgroup2;

/* NULL without one. */
const struct freezer *freezer_of(const struct target *target);
