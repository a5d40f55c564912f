/* Work that alters something of the container for a moment, done by a process of its own: should we
 * be killed in the middle, that one goes on, and puts everything back. */
#pragma once

#include "core/buf.h"
#include "core/err.h"

/* Runs `work`, which must not wait for anything that the
 * container could keep from happening. Its return value is returned, and what it appends
 * to `output` is appended to ours. */
int run_apart(int (*work)(void *argument, struct buf *output), void *argument, struct buf *output);
