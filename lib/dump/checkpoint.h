/* A checkpoint of tasks that are frozen already: for the command's worker, and for a holder. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "ctckpt/ctckpt.h"
#include "dump/dump.h"
#include "freeze/freeze.h"
#include "image/image.h"
#include "target/target.h"

struct tcp_hold; /* kind/support/tcp_hold.h */

struct checkpoint_work {
	enum image_compression compression;
	int compression_level;
	struct dump_outside outside;
	/* Where the hold of connections goes that are kept; NULL: they go on at once. */
	struct tcp_hold **hold;
	bool (*is_cancelled)(void *argument);				 /* may be NULL */
	void (*progress)(void *argument, uint64_t done, uint64_t total); /* may be NULL */
	/* All is known, what follows is writing; may be NULL. */
	void (*gathered)(void *argument);
	void *argument;
};

static inline struct dump_outside
checkpoint_outside(const struct ctckpt_checkpoint_options *options)
{
	return (struct dump_outside){ .tcp_close = options->tcp_close,
				      .tcp_established = options->tcp_established,
				      .external = options->external,
				      .file_system = options->file_system };
}

/* Writes the image to fd. The tasks have all of their own again afterwards, and are still seized.
 */
int checkpoint_frozen(const struct target *target, struct freeze *frozen,
		      const struct checkpoint_work *work, int fd, struct ctckpt_stats *stats,
		      struct err *err);
