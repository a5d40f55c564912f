/* Locks of flock(2) that are waited for, but not for ever: whoever holds one may stand still. */
#pragma once

#include "core/err.h"

/* Long enough for whoever changes a file or two; shorter than an engine's patience with a hook. */
enum { LOCK_PATIENCE_MS = 5000 };

/* An exclusive lock on the open file description of `fd`, which goes with it. `path` is for the
 * message, which names who holds it, as far as that is seen from here. ERR_FAILED: the patience is
 * at its end. */
int lock_wait(int fd, const char *path, unsigned int patience_ms, struct err *err);
