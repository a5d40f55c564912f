/* Where an image comes from: a path, or "-" for a descriptor. */
#pragma once

#include "container/volume.h"
#include "core/err.h"
#include "ctckpt/ctckpt.h"
#include "kind/support/grant.h"
#include "oci/bundle.h"
#include "policy/plan.h"

/* Everything before something is made: the image read and checked, the host looked at, the plan. */
struct input {
	int fd;
	int root; /* O_PATH of the root that files are looked for beneath; -1: the invoker's */
	struct image *image; /* owned */
	struct plan *plan;   /* owned */
	struct host_facts facts;
	struct volumes volumes; /* for mounts of the host */
	struct bundle bundle;	/* without a directory: there is none */
};

#define INPUT_NONE ((struct input){ .fd = -1, .root = -1 })

/* `rootfs` NULL: the image must not have a root directory of its own, or it is a refusal. The
 * options' grants are taken already: they are `grants`, borrowed for as long as the plan is used.
 * The verdict on the plan is the caller's. */
int input_open(const struct ctckpt_plan_options *options, const struct grants *grants,
	       struct input *ret_input, struct err *err);
void input_free(struct input *input);
#define auto_input __attribute__((cleanup(input_free)))
