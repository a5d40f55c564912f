/* What the worker of a restore says to its command. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/worker.h"
#include "ctckpt/ctckpt.h"
#include "restore/foreground.h"

/* How far it is, now and then: `last` is when it was said last. */
void message_progress(struct worker *worker, uint64_t *last, uint64_t done, uint64_t total);
/* Lines of text, and how many more there would be. */
void message_notes(struct worker *worker, const char *notes, size_t missed);
/* Our pid: from now on we take signals. */
void message_pid(struct worker *worker);
/* In the command: passes on one of these. True if it was the pid. */
bool message_take(const struct ctckpt_restore_options *options, struct foreground *foreground,
		  const void *message, size_t size);
