/* Checksums of pages that others put into the file, taken in a thread while they go on. */
#include "core/cleanup.h"
#include "image/format.h"
#include "image/readback.h"
#include "image/thread.h"
#include "image/writer.h"

struct placed {
	struct readback *readback;
	uint64_t offset; /* of the page stream in the file */
	uint64_t size;	 /* of the page stream */
	struct block_sums blocks;
	struct err err; /* why the thread ended early */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* for the two below */
	pthread_cond_t changed;
	uint64_t end; /* so much of the stream is in the file */
	bool stop;
};

/* False when the thread shall end. */
static bool wait_for(struct placed *placed, uint64_t end)
{
	bool go;

	(void)pthread_mutex_lock(&placed->lock);
	while (!placed->stop && placed->end < end)
		(void)pthread_cond_wait(&placed->changed, &placed->lock);
	go = !placed->stop;
	(void)pthread_mutex_unlock(&placed->lock);
	return go;
}

static void *run(void *argument)
{
	struct placed *placed = argument;

	for (uint64_t i = 0; i < image_block_count(placed->size); i++) {
		size_t length = image_block_length(placed->size, i);
		uint64_t start = i * IMAGE_BLOCK;
		uint64_t sum;

		if (!wait_for(placed, start + length))
			break;
		if (readback_block(placed->readback, placed->offset + start, length, &sum,
				   &placed->err) < 0)
			break;
		block_sums_add(&placed->blocks, sum);
	}
	return NULL;
}

struct placed *placed_new(int fd, uint64_t offset, uint64_t size)
{
	struct placed *placed = mem_alloc(1, sizeof(*placed));

	placed->readback = readback_new(fd);
	placed->offset = offset;
	placed->size = size;
	(void)pthread_mutex_init(&placed->lock, NULL);
	(void)pthread_cond_init(&placed->changed, NULL);
	/* Without a thread, placed_finish() does its work. */
	placed->has_thread = thread_start(&placed->thread, run, placed) == 0;
	return placed;
}

static void tell(struct placed *placed, uint64_t end, bool stop)
{
	(void)pthread_mutex_lock(&placed->lock);
	placed->end = end;
	placed->stop = stop;
	(void)pthread_cond_signal(&placed->changed);
	(void)pthread_mutex_unlock(&placed->lock);
}

static void join(struct placed *placed)
{
	if (placed->has_thread)
		(void)pthread_join(placed->thread, NULL);
	placed->has_thread = false;
}

void placed_free(struct placed *placed)
{
	if (!placed)
		return;
	tell(placed, 0, true);
	join(placed);
	(void)pthread_cond_destroy(&placed->changed);
	(void)pthread_mutex_destroy(&placed->lock);
	readback_free(placed->readback);
	free(placed->blocks.sums);
	free(placed);
}

void placed_advance(struct placed *placed, uint64_t end)
{
	tell(placed, end, false);
}

int placed_finish(struct placed *placed, struct block_sums *blocks, struct err *err)
{
	placed_advance(placed, placed->size);
	if (!placed->has_thread)
		(void)run(placed);
	join(placed);
	if (placed->err.code < 0) {
		*err = placed->err;
		/* Not a damaged image, but a failed attempt to make one. */
		if (err->code == ERR_DAMAGED)
			err->code = ERR_FAILED;
		return err_wrap(err, "read back what was written");
	}
	free(blocks->sums);
	*blocks = placed->blocks;
	placed->blocks = (struct block_sums){ .sums = NULL };
	return 0;
}
