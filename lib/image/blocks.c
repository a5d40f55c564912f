/* The page stream, front to back: reads, unpacks, verifies. See blocks.h. */
#include "image/blocks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "image/checksum.h"
#include "image/compress.h"
#include "image/io.h"
#include "image/limits.h"
#include "image/tail.h"

struct blocks {
	const struct image *image; /* borrowed */
	struct io io;
	struct decompressor *decompressor; /* NULL: plain */
	unsigned char *stored;		   /* owned: compressed bytes of the current block */
	uint64_t stored_total;		   /* of all so far */
	uint64_t count;			   /* read so far */
	uint64_t *checksums;		   /* owned: of the blocks read so far */
};

struct blocks *blocks_new(const struct image *image)
{
	struct blocks *blocks = mem_alloc(1, sizeof(*blocks));

	blocks->image = image;
	blocks->io = (struct io){ .fd = image->fd, .offset = image->pages_offset };
	if (image->compression != IMAGE_PLAIN) {
		blocks->decompressor = decompressor_new(image->compression);
		blocks->stored = mem_resize(NULL, IMAGE_BLOCK + IMAGE_ALIGN, 1);
	}
	return blocks;
}

void blocks_free(struct blocks *blocks)
{
	if (!blocks)
		return;
	decompressor_free(blocks->decompressor);
	free(blocks->stored);
	free(blocks->checksums);
	free(blocks);
}

/* The stored bytes with their padding: bounded by the length of the block, whatever they claim. */
static int read_stored(struct blocks *blocks, size_t length, size_t *ret_stored, struct err *err)
{
	struct image_block header;
	size_t padded;
	size_t stored;
	int r = io_read(&blocks->io, &header, sizeof(header), err);

	if (r < 0)
		return r;
	stored = le32_get(header.stored_length);
	if (le32_get(header.raw_length) != length || stored == 0 || stored > length)
		return err_set(err, ERR_DAMAGED, "impossible length");
	padded = image_align(stored, IMAGE_ALIGN);
	r = io_read(&blocks->io, blocks->stored, padded, err);
	if (r < 0)
		return r;
	if (le64_get(header.checksum) != image_block_checksum(&header, blocks->stored))
		return err_set(err, ERR_DAMAGED, "wrong checksum");
	if (!image_is_zero(blocks->stored + stored, padded - stored))
		return err_set(err, ERR_DAMAGED, "padding is not zero");
	*ret_stored = stored;
	return 0;
}

/* Little that becomes much, to fill a disk or a memory with. */
static int check_ratio(struct blocks *blocks, size_t length, size_t stored, struct err *err)
{
	uint64_t raw = blocks->count * IMAGE_BLOCK + length;

	blocks->stored_total += stored;
	return image_limit_check(&blocks->image->limits, LIMIT_RATIO,
				 image_ratio(raw, blocks->stored_total), err);
}

static int read_block(struct blocks *blocks, void *room, size_t length, struct err *err)
{
	size_t stored = 0;
	int r;

	if (!blocks->decompressor)
		return io_read(&blocks->io, room, length, err);
	r = read_stored(blocks, length, &stored, err);
	if (r == 0)
		r = check_ratio(blocks, length, stored, err);
	if (r < 0)
		return r;
	if (stored == length) {
		memcpy(room, blocks->stored, length);
		return 0;
	}
	return decompressor_unpack(blocks->decompressor, blocks->stored, stored, room, length, err);
}

bool blocks_have_more(const struct blocks *blocks)
{
	return blocks->count < image_block_count(blocks->image->pages_size);
}

int blocks_next(struct blocks *blocks, void *room, struct err *err)
{
	size_t length = image_block_length(blocks->image->pages_size, blocks->count);

	if (read_block(blocks, room, length, err) < 0)
		return err_wrap(err, "pages: block %" PRIu64, blocks->count);
	array_grow(blocks->checksums, blocks->count);
	blocks->checksums[blocks->count++] = checksum(room, length);
	return 0;
}

int blocks_finish(struct blocks *blocks, struct err *err)
{
	size_t size = image_tail_size(blocks->count);
	auto_free void *tail = mem_resize(NULL, size, 1);
	struct image_tail expected = image_tail_expected(blocks->image, blocks->io.offset + size);
	int r = io_read(&blocks->io, tail, size, err);

	if (r == 0)
		r = image_tail_check(tail, &expected, err);
	for (uint64_t i = 0; r == 0 && i < blocks->count; i++)
		r = image_tail_check_block(tail, i, blocks->checksums[i], err);
	return r < 0 ? r : io_expect_end(&blocks->io, err);
}

uint64_t blocks_offset(const struct blocks *blocks)
{
	return blocks->io.offset;
}
