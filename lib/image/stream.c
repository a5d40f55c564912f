/* The page stream for who wants its bytes: a cell reads and unpacks blocks into a ring in memory
 * that it shares with us. Over a socket between the two goes one byte for each block, to us when it
 * is there, back when there is room again. Which block is where, and how long it is, both know from
 * the metadata: the cell says nothing that is looked at. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cell.h"
#include "core/cleanup.h"
#include "image/blocks.h"
#include "image/format.h"

#define SLOTS 4u

struct ring {
	unsigned char slots[SLOTS][IMAGE_BLOCK];
	atomic_uint_fast64_t end; /* where the image ends, once it was read */
};

struct image_stream {
	const struct image *image; /* borrowed */
	struct cell cell;
	int channel;	   /* owned: our end */
	struct ring *ring; /* owned: shared with the cell */
	uint64_t count;	   /* blocks received so far */
	size_t block_size; /* of the last of them */
	size_t taken;	   /* of it */
	uint64_t end;	   /* where the image ends; 0: not known yet */
};

/* ---- in the cell ---- */

struct unpacking {
	const struct image *image;
	struct ring *ring;
	int channel;
};

/* False when nobody wants more. */
static bool await_room(int channel)
{
	char byte;
	ssize_t got;

	do {
		got = read(channel, &byte, 1);
	} while (got < 0 && errno == EINTR);
	return got == 1;
}

static bool tell(int channel)
{
	static const char byte;
	ssize_t put;

	do {
		put = write(channel, &byte, 1);
	} while (put < 0 && errno == EINTR);
	return put == 1;
}

static int unpack(void *argument, struct err *err)
{
	const struct unpacking *self = argument;
	auto_blocks struct blocks *blocks = blocks_new(self->image);
	int r = 0;

	for (uint64_t i = 0; r == 0 && blocks_have_more(blocks); i++) {
		if (i >= SLOTS && !await_room(self->channel))
			return err_set(err, -ECANCELED, "read pages");
		r = blocks_next(blocks, self->ring->slots[i % SLOTS], err);
		if (r == 0 && !tell(self->channel))
			return err_set(err, -ECANCELED, "read pages");
	}
	if (r == 0)
		r = blocks_finish(blocks, err);
	atomic_store(&self->ring->end, blocks_offset(blocks));
	return r;
}

/* ---- outside ---- */

static int start(struct image_stream *stream, int channel, struct err *err)
{
	const struct image *image = stream->image;
	struct unpacking unpacking = { image, stream->ring, channel };
	struct cell_job job = {
		.name = "the reader of pages",
		.work = unpack,
		.argument = &unpacking,
		.input = image->fd,
		.channel = channel,
		/* 24 bytes a block, of which a third is an array that grows. */
		.memory = (64ull << 20) + 64 * image_block_count(image->pages_size),
		.time = 20 + (image->pages_size >> 24),
		.remedy = IMAGE_OPEN_REMEDY,
		.is_open = image->limits.is_open,
	};

	return cell_start(&job, &stream->cell, err);
}

int image_stream_open(const struct image *image, struct image_stream **ret_stream, struct err *err)
{
	struct image_stream *stream;
	auto_close int theirs = -1;
	int ends[2];
	void *ring;
	int r;

	if (image->is_seekable && lseek(image->fd, (off_t)image->pages_offset, SEEK_SET) < 0)
		return err_set(err, -errno, "seek to the pages of the image");
	ring = mmap(NULL, sizeof(*stream->ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (ring == MAP_FAILED)
		return err_set(err, -errno, "map memory for pages");
	stream = mem_alloc(1, sizeof(*stream));
	*stream = (struct image_stream){ .image = image, .channel = -1, .ring = ring };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		image_stream_free(stream);
		return err_set(err, -errno, "create a socket pair");
	}
	stream->channel = ends[0];
	theirs = ends[1];
	r = start(stream, theirs, err);
	if (r < 0) {
		image_stream_free(stream);
		return r;
	}
	*ret_stream = stream;
	return 0;
}

void image_stream_free(struct image_stream *stream)
{
	if (!stream)
		return;
	cell_free(&stream->cell);
	drop_fd(&stream->channel);
	(void)munmap(stream->ring, sizeof(*stream->ring));
	free(stream);
}

/* A byte of the cell's; false when it ended. */
static bool hear(const struct image_stream *stream)
{
	char byte;
	ssize_t got;

	do {
		got = recv(stream->channel, &byte, 1, 0);
	} while (got < 0 && errno == EINTR);
	return got == 1;
}

/* A cell that ended early, for good or for bad. */
static int end_early(struct image_stream *stream, struct err *err)
{
	int r = stream->cell.pid > 0 ? cell_wait(&stream->cell, err) : 0;

	return r < 0 ? r : err_set(err, ERR_DAMAGED, "the reader of pages ended early");
}

static bool has_more(const struct image_stream *stream)
{
	return stream->count < image_block_count(stream->image->pages_size);
}

static int next_block(struct image_stream *stream, struct err *err)
{
	/* The one before is done with. That the cell has ended, with all blocks, is no failure. */
	if (stream->count > 0)
		(void)send(stream->channel, "", 1, MSG_NOSIGNAL);
	stream->block_size = stream->taken = 0;
	if (!hear(stream))
		return end_early(stream, err);
	stream->block_size = image_block_length(stream->image->pages_size, stream->count);
	stream->count++;
	return 0;
}

int image_stream_next(struct image_stream *stream, size_t size, const void **ret_data,
		      size_t *ret_size, struct err *err)
{
	size_t left;

	if (stream->taken == stream->block_size && has_more(stream)) {
		int r = next_block(stream, err);

		if (r < 0)
			return r;
	}
	left = stream->block_size - stream->taken;
	*ret_size = size < left ? size : left;
	*ret_data =
	    *ret_size > 0 ? stream->ring->slots[(stream->count - 1) % SLOTS] + stream->taken : NULL;
	stream->taken += *ret_size;
	return 0;
}

int image_stream_finish(struct image_stream *stream, struct err *err)
{
	int r = 0;

	while (r == 0 && has_more(stream))
		r = next_block(stream, err);
	stream->taken = stream->block_size;
	if (r == 0 && hear(stream))
		r = err_set(err, ERR_DAMAGED, "the reader of pages has too many");
	if (r == 0)
		r = cell_wait(&stream->cell, err);
	if (r == 0)
		stream->end = atomic_load(&stream->ring->end);
	return r;
}

uint64_t image_stream_offset(const struct image_stream *stream)
{
	return stream->end;
}
