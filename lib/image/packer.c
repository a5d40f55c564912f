/* Compresses blocks in threads. The caller fills a ring of slots and writes what is finished, in
 * order, so that only the caller does input and output. */
#include "core/cleanup.h"
#include "image/checksum.h"
#include "image/compress.h"
#include "image/format.h"
#include "image/limits.h"
#include "image/thread.h"
#include "image/writer.h"

#define SLOTS 8u

struct slot {
	unsigned char *raw;    /* owned: IMAGE_BLOCK bytes */
	unsigned char *packed; /* owned: IMAGE_BLOCK bytes */
	size_t length;
	size_t packed_length; /* 0: it does not shrink */
	uint64_t sum;
	bool is_done;
};

struct packer {
	enum image_compression compression;
	int level;
	struct compressor *own; /* for packing without a thread */
	pthread_t threads[THREADS_MAX];
	size_t thread_count;
	pthread_mutex_t lock; /* for all below, but for the bytes in the slots */
	pthread_cond_t submitted;
	pthread_cond_t finished;
	bool stop;
	/* Numbers of blocks, rising: written <= started <= filled <= written + SLOTS. */
	uint64_t filled;
	uint64_t started;
	uint64_t written;
	/* Of the written blocks: what an image grows by. */
	uint64_t raw_total;
	uint64_t stored_total;
	struct slot slots[SLOTS];
};

static void pack(struct compressor *compressor, struct slot *slot)
{
	slot->sum = checksum(slot->raw, slot->length);
	compressor_pack(compressor, slot->raw, slot->length, slot->packed, &slot->packed_length);
}

/* The next block to pack; NULL when the thread shall end. */
static struct slot *take(struct packer *packer)
{
	struct slot *slot = NULL;

	(void)pthread_mutex_lock(&packer->lock);
	while (!packer->stop && packer->started == packer->filled)
		(void)pthread_cond_wait(&packer->submitted, &packer->lock);
	if (!packer->stop)
		slot = &packer->slots[packer->started++ % SLOTS];
	(void)pthread_mutex_unlock(&packer->lock);
	return slot;
}

static void *run(void *argument)
{
	struct packer *packer = argument;
	struct compressor *compressor = compressor_new(packer->compression, packer->level);
	struct slot *slot;

	while ((slot = take(packer))) {
		pack(compressor, slot);
		(void)pthread_mutex_lock(&packer->lock);
		slot->is_done = true;
		(void)pthread_cond_signal(&packer->finished);
		(void)pthread_mutex_unlock(&packer->lock);
	}
	compressor_free(compressor);
	return NULL;
}

struct packer *packer_new(enum image_compression compression, int level)
{
	struct packer *packer = mem_alloc(1, sizeof(*packer));
	size_t wanted = thread_count_wanted();

	packer->compression = compression;
	packer->level = level;
	for (size_t i = 0; i < SLOTS; i++) {
		packer->slots[i].raw = mem_resize(NULL, IMAGE_BLOCK, 1);
		packer->slots[i].packed = mem_resize(NULL, IMAGE_BLOCK, 1);
	}
	(void)pthread_mutex_init(&packer->lock, NULL);
	(void)pthread_cond_init(&packer->submitted, NULL);
	(void)pthread_cond_init(&packer->finished, NULL);
	while (packer->thread_count < wanted &&
	       thread_start(&packer->threads[packer->thread_count], run, packer) == 0)
		packer->thread_count++;
	if (packer->thread_count == 0)
		packer->own = compressor_new(compression, level);
	return packer;
}

void packer_free(struct packer *packer)
{
	if (!packer)
		return;
	(void)pthread_mutex_lock(&packer->lock);
	packer->stop = true;
	(void)pthread_cond_broadcast(&packer->submitted);
	(void)pthread_mutex_unlock(&packer->lock);
	for (size_t i = 0; i < packer->thread_count; i++)
		(void)pthread_join(packer->threads[i], NULL);
	for (size_t i = 0; i < SLOTS; i++) {
		free(packer->slots[i].raw);
		free(packer->slots[i].packed);
	}
	(void)pthread_cond_destroy(&packer->finished);
	(void)pthread_cond_destroy(&packer->submitted);
	(void)pthread_mutex_destroy(&packer->lock);
	compressor_free(packer->own);
	free(packer);
}

static void wait_done(struct packer *packer, struct slot *slot)
{
	(void)pthread_mutex_lock(&packer->lock);
	while (!slot->is_done)
		(void)pthread_cond_wait(&packer->finished, &packer->lock);
	(void)pthread_mutex_unlock(&packer->lock);
}

/* Would the reader take this for a bomb? */
static bool is_too_small(const struct packer *packer, const struct slot *slot)
{
	return image_ratio(packer->raw_total + slot->length,
			   packer->stored_total + slot->packed_length) > IMAGE_RATIO;
}

static int write_slot(struct packer *packer, const struct slot *slot, struct io *io,
		      struct err *err)
{
	static const unsigned char zeros[IMAGE_ALIGN];
	bool is_packed = slot->packed_length > 0 && !is_too_small(packer, slot);
	size_t stored = is_packed ? slot->packed_length : slot->length;
	unsigned char *bytes = is_packed ? slot->packed : slot->raw;
	struct image_block header = {
		.raw_length = le32_make((uint32_t)slot->length),
		.stored_length = le32_make((uint32_t)stored),
	};
	struct iovec pieces[] = {
		{ &header, sizeof(header) },
		{ bytes, stored },
		{ (void *)zeros, image_align(stored, IMAGE_ALIGN) - stored },
	};

	packer->raw_total += slot->length;
	packer->stored_total += stored;
	header.checksum = le64_make(image_block_checksum(&header, bytes));
	return io_write_pieces(io, pieces, 3, err);
}

static int write_next(struct packer *packer, struct io *io, struct block_sums *blocks,
		      struct err *err)
{
	struct slot *slot = &packer->slots[packer->written % SLOTS];
	int r;

	wait_done(packer, slot);
	r = write_slot(packer, slot, io, err);
	if (r < 0)
		return r;
	block_sums_add(blocks, slot->sum);
	slot->is_done = false;
	packer->written++;
	return 0;
}

int packer_room(struct packer *packer, struct io *io, struct block_sums *blocks,
		unsigned char **ret_room, struct err *err)
{
	if (packer->filled == packer->written + SLOTS) {
		int r = write_next(packer, io, blocks, err);

		if (r < 0)
			return r;
	}
	*ret_room = packer->slots[packer->filled % SLOTS].raw;
	return 0;
}

void packer_submit(struct packer *packer, size_t length)
{
	struct slot *slot = &packer->slots[packer->filled % SLOTS];

	slot->length = length;
	if (packer->own) {
		pack(packer->own, slot);
		slot->is_done = true;
		packer->filled++;
		return;
	}
	(void)pthread_mutex_lock(&packer->lock);
	packer->filled++;
	(void)pthread_cond_signal(&packer->submitted);
	(void)pthread_mutex_unlock(&packer->lock);
}

int packer_flush(struct packer *packer, struct io *io, struct block_sums *blocks, struct err *err)
{
	while (packer->written < packer->filled) {
		int r = write_next(packer, io, blocks, err);

		if (r < 0)
			return r;
	}
	return 0;
}
