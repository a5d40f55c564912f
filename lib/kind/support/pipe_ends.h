/* Pipes and fifos: their content and their ends.
 *
 * The first description of a pipe carries it: capacity and content. The others name the first. */
#pragma once

#include "kind/kind.h"

#define PIPE_CAPACITY_MAX (64u << 20)

RECORDS_BEGIN
struct pipe_rec {
	le32 flags;
	le32 carrier;  /* the description that carries the pipe; 0: this one */
	le32 capacity; /* bytes; 0 if it does not carry the pipe */
	le32 length;   /* of the content, bytes */
};
RECORDS_END
static_assert(sizeof(struct pipe_rec) == 16, "image format");

/* The other end of the pipe at the cursor is held by somebody outside of the container. */
bool pipe_leads_outside(const struct dump *d);
/* Fills the record; the carrier's content goes to `content`. False if it was blocked. */
bool pipe_save(struct dump *d, struct pipe_rec *ret_rec, struct buf *content);
/* Hostile bytes; `left` bytes follow, which must be the content. */
int pipe_check(const struct pipe_rec *rec, size_t left, struct err *err);
/* Puts capacity and content into the pipe behind `fd`, which is open for reading and writing. */
int pipe_fill(struct restore *rs, const struct pipe_rec *rec, const void *content, int fd,
	      struct err *err);
