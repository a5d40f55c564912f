/* The blocks of a page stream, front to back: in a cell, but for fuzzers. Private to lib/image. */
#pragma once

#include "image/image.h"

struct blocks;
/* From image->fd, which must be where the page stream begins. `image` is borrowed. */
struct blocks *blocks_new(const struct image *image);
void blocks_free(struct blocks *blocks);
static inline void blocks_cleanup(struct blocks **blocks)
{
	blocks_free(*blocks);
}
#define auto_blocks __attribute__((cleanup(blocks_cleanup)))
bool blocks_have_more(const struct blocks *blocks);
/* The next block, to `room`, which is as large as it: image_block_length(). Never reads from there:
 * others may write to it. */
int blocks_next(struct blocks *blocks, void *room, struct err *err);
/* Behind the last block: reads index and trailer, and verifies them and all that was read. */
int blocks_finish(struct blocks *blocks, struct err *err);
/* Of the next byte in the image. */
uint64_t blocks_offset(const struct blocks *blocks);
