/* The writer's parts. Private to lib/image. */
#pragma once

#include "image/image.h"
#include "image/io.h"

/* The checksums of blocks, as they become known, in order. */
struct block_sums {
	uint64_t *sums; /* owned */
	uint64_t count;
};
void block_sums_add(struct block_sums *blocks, uint64_t sum);

/* ---- compressing (packer.c): blocks go in, packed blocks come out in the same order ---- */

struct packer;
struct packer *packer_new(enum image_compression compression, int level);
/* Stops the threads; blocks that were not written are lost. */
void packer_free(struct packer *packer);
/* Where the next block's bytes go, IMAGE_BLOCK of them. Writes finished blocks to have room. */
int packer_room(struct packer *packer, struct io *io, struct block_sums *blocks,
		unsigned char **ret_room, struct err *err);
/* The room has `length` bytes now: packs them in the background. */
void packer_submit(struct packer *packer, size_t length);
/* Waits for all blocks and writes them. */
int packer_flush(struct packer *packer, struct io *io, struct block_sums *blocks, struct err *err);

/* ---- reading back (placed.c): checksums of what others put into the file ---- */

struct placed;
/* `offset` and `size` of the page stream in the file. */
struct placed *placed_new(int fd, uint64_t offset, uint64_t size);
void placed_free(struct placed *placed);
/* The stream's bytes before `end` are there. */
void placed_advance(struct placed *placed, uint64_t end);
/* Waits until all blocks are read. */
int placed_finish(struct placed *placed, struct block_sums *blocks, struct err *err);
