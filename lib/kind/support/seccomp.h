/* The container's seccomp filter, in an image and in a restore. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/filter.h"
#include "kind/kind.h"

/* ---- in kind/task/seccomp.c ---- */

/* The checked filter of an image, borrowed; false: it has none. */
bool seccomp_of_image(const struct image *image, struct filter *ret_filter);
/* Must this thread install it before it gives up its capabilities? Without no_new_privs, that takes
 * CAP_SYS_ADMIN. */
bool seccomp_comes_early(const struct restore *rs, uint32_t thread);
/* Queues the installation behind all that was queued so far, which has run then. What is queued
 * from now on passes the filter, or is an error. Does nothing for a thread that had none. */
int seccomp_install(struct restore *rs, uint32_t thread, struct script *script, struct err *err);
