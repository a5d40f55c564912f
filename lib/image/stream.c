/* The page stream, front to back: through a pipe, or compressed. */
#include <inttypes.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "image/checksum.h"
#include "image/compress.h"
#include "image/io.h"
#include "image/tail.h"

struct image_stream {
	const struct image *image; /* borrowed */
	struct io io;
	struct decompressor *decompressor; /* NULL: plain */
	unsigned char *block;		   /* owned: raw bytes of the current block */
	unsigned char *stored;		   /* owned: compressed bytes of the current block */
	size_t block_size;
	size_t taken;	      /* of the current block */
	uint64_t block_count; /* read so far */
	uint64_t *checksums;  /* owned: of the blocks read so far */
};

int image_stream_open(const struct image *image, struct image_stream **ret_stream, struct err *err)
{
	struct image_stream *stream;

	if (image->is_seekable && lseek(image->fd, (off_t)image->pages_offset, SEEK_SET) < 0)
		return err_set(err, -errno, "seek to the pages of the image");
	stream = mem_alloc(1, sizeof(*stream));
	stream->image = image;
	stream->io = (struct io){ .fd = image->fd, .offset = image->pages_offset };
	stream->block = mem_resize(NULL, IMAGE_BLOCK, 1);
	if (image->compression != IMAGE_PLAIN) {
		stream->decompressor = decompressor_new(image->compression);
		stream->stored = mem_resize(NULL, IMAGE_BLOCK + IMAGE_ALIGN, 1);
	}
	*ret_stream = stream;
	return 0;
}

void image_stream_free(struct image_stream *stream)
{
	if (!stream)
		return;
	decompressor_free(stream->decompressor);
	free(stream->block);
	free(stream->stored);
	free(stream->checksums);
	free(stream);
}

/* The stored bytes with their padding: bounded by the length of the block, whatever they claim. */
static int read_stored(struct image_stream *stream, size_t length, size_t *ret_stored,
		       struct err *err)
{
	struct image_block header;
	size_t padded;
	size_t stored;
	int r = io_read(&stream->io, &header, sizeof(header), err);

	if (r < 0)
		return r;
	stored = le32_get(header.stored_length);
	if (le32_get(header.raw_length) != length || stored == 0 || stored > length)
		return err_set(err, ERR_DAMAGED, "impossible length");
	padded = image_align(stored, IMAGE_ALIGN);
	r = io_read(&stream->io, stream->stored, padded, err);
	if (r < 0)
		return r;
	if (le64_get(header.checksum) != image_block_checksum(&header, stream->stored))
		return err_set(err, ERR_DAMAGED, "wrong checksum");
	if (!image_is_zero(stream->stored + stored, padded - stored))
		return err_set(err, ERR_DAMAGED, "padding is not zero");
	*ret_stored = stored;
	return 0;
}

static int read_block(struct image_stream *stream, size_t length, struct err *err)
{
	size_t stored = 0;
	int r;

	if (!stream->decompressor)
		return io_read(&stream->io, stream->block, length, err);
	r = read_stored(stream, length, &stored, err);
	if (r < 0)
		return r;
	if (stored == length) {
		memcpy(stream->block, stream->stored, length);
		return 0;
	}
	return decompressor_unpack(stream->decompressor, stream->stored, stored, stream->block,
				   length, err);
}

static bool has_more_blocks(const struct image_stream *stream)
{
	return stream->block_count < image_block_count(stream->image->pages_size);
}

static int next_block(struct image_stream *stream, struct err *err)
{
	size_t length = image_block_length(stream->image->pages_size, stream->block_count);

	stream->block_size = stream->taken = 0;
	if (read_block(stream, length, err) < 0)
		return err_wrap(err, "pages: block %" PRIu64, stream->block_count);
	array_grow(stream->checksums, stream->block_count);
	stream->checksums[stream->block_count++] = checksum(stream->block, length);
	stream->block_size = length;
	return 0;
}

int image_stream_next(struct image_stream *stream, size_t size, const void **ret_data,
		      size_t *ret_size, struct err *err)
{
	size_t left;

	if (stream->taken == stream->block_size && has_more_blocks(stream)) {
		int r = next_block(stream, err);

		if (r < 0)
			return r;
	}
	left = stream->block_size - stream->taken;
	*ret_data = stream->block + stream->taken;
	*ret_size = size < left ? size : left;
	stream->taken += *ret_size;
	return 0;
}

static int read_tail(struct image_stream *stream, struct err *err)
{
	const struct image *image = stream->image;
	size_t size = image_tail_size(stream->block_count);
	auto_free void *tail = mem_resize(NULL, size, 1);
	struct image_tail expected = image_tail_expected(image, stream->io.offset + size);
	int r = io_read(&stream->io, tail, size, err);

	if (r < 0)
		return r;
	r = image_tail_check(tail, &expected, err);
	for (uint64_t i = 0; r == 0 && i < stream->block_count; i++)
		r = image_tail_check_block(tail, i, stream->checksums[i], err);
	return r;
}

int image_stream_finish(struct image_stream *stream, struct err *err)
{
	int r;

	while (has_more_blocks(stream)) {
		r = next_block(stream, err);
		if (r < 0)
			return r;
	}
	stream->taken = stream->block_size;
	r = read_tail(stream, err);
	if (r < 0)
		return r;
	return io_expect_end(&stream->io, err);
}

uint64_t image_stream_offset(const struct image_stream *stream)
{
	return stream->io.offset;
}
