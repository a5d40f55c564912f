/* Steps by which the first task gets its root, for whoever makes another one than ctckpt's own. */
#pragma once

#include <stdint.h>

#include "core/err.h"

/* Nothing that is mounted from now on is seen outside. `propagation`: MS_PRIVATE, or MS_SLAVE:
 * mounts of the host still arrive. */
int mounts_separate(unsigned long propagation, struct err *err);
/* The current directory becomes a mount, with all that is mounted below it. */
int mounts_bind_root(int *ret_root, struct err *err);
/* It becomes the root; the old one is gone. */
int mounts_enter_root(struct err *err);
/* Why a new file system of this type could not be mounted there; `code` is a negative errno. */
int mounts_explain(const char *type, const char *point, int code, struct err *err);
