/* Checkpoints of containers that a holder keeps frozen: on request, by the holder. */
#pragma once

#include <stdbool.h>

#include "core/err.h"
#include "ctckpt/ctckpt.h"
#include "freeze/freeze.h"
#include "target/target.h"

/* Does a holder keep it? With `make`, one is started where there is none. */
int held_find(const struct target *target, bool make, bool *ret_is_held, struct err *err);
/* The holder writes the image to fd. */
int held_dump(const struct target *target, const struct ctckpt_checkpoint_options *options, int fd,
	      struct ctckpt_stats *ret_stats, struct err *err);
/* The holder kills it, and ends. */
int held_kill(const struct target *target, struct err *err);
/* What a holder does on request. */
int held_serve(struct freeze *freeze, const void *request, size_t size, const int *fds,
	       size_t fd_count, struct buf *reply, struct err *err);
