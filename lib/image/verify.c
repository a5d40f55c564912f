/* Verification of pages that were read elsewhere. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "image/io.h"
#include "image/readback.h"
#include "image/tail.h"
#include "image/thread.h"

uint64_t image_plain_size(const struct image *image)
{
	return image->pages_offset + image->pages_size +
	       image_tail_size(image_block_count(image->pages_size));
}

/* The tail of a plain image stands where the sizes in its header say, and ends the file. */
static int read_tail(const struct image *image, void **ret_tail, struct err *err)
{
	uint64_t whole = image_plain_size(image);
	size_t size = image_tail_size(image_block_count(image->pages_size));
	struct image_tail expected = image_tail_expected(image, whole);
	auto_free void *tail = NULL;
	struct stat st;
	size_t got;
	int r;

	if (fstat(image->fd, &st) < 0)
		return err_set(err, -errno, "read image");
	if ((uint64_t)st.st_size != whole)
		return err_set(err, ERR_DAMAGED, "image has %jd bytes instead of %" PRIu64,
			       (intmax_t)st.st_size, whole);
	tail = mem_alloc(1, size);
	r = io_read_at(image->fd, whole - size, tail, size, &got, err);
	if (r < 0)
		return r;
	r = image_tail_check(tail, &expected, err);
	if (r < 0)
		return r;
	*ret_tail = take_ptr(tail);
	return 0;
}

/* Blocks are dealt to the threads one by one; the first failure ends all. */
struct verify {
	const struct image *image;
	const void *tail;
	atomic_uint_fast64_t next; /* block */
};

struct verify_thread {
	struct verify *verify;
	pthread_t thread;
	struct err err;
};

static int verify_block(const struct verify *verify, struct readback *readback, uint64_t number,
			struct err *err)
{
	const struct image *image = verify->image;
	uint64_t sum;
	int r = readback_block(readback, image->pages_offset + number * IMAGE_BLOCK,
			       image_block_length(image->pages_size, number), &sum, err);

	if (r < 0)
		return r;
	return image_tail_check_block(verify->tail, number, sum, err);
}

static void *verify_blocks(void *argument)
{
	struct verify_thread *self = argument;
	struct verify *verify = self->verify;
	auto_readback struct readback *readback = readback_new(verify->image->fd);
	uint64_t count = image_block_count(verify->image->pages_size);

	for (;;) {
		uint64_t number = atomic_fetch_add(&verify->next, 1);

		if (number >= count)
			break;
		if (verify_block(verify, readback, number, &self->err) < 0)
			atomic_store(&verify->next, count);
	}
	return NULL;
}

/* The calling thread is one of them, and enough if there can be no other. */
static int verify_in_threads(struct verify *verify, struct err *err)
{
	struct verify_thread threads[THREADS_MAX] = { 0 };
	uint64_t count = image_block_count(verify->image->pages_size);
	size_t wanted = thread_count_wanted();
	size_t started = 1;

	for (size_t i = 0; i < THREADS_MAX; i++)
		threads[i].verify = verify;
	while (started < wanted && started < count &&
	       thread_start(&threads[started].thread, verify_blocks, &threads[started]) == 0)
		started++;
	(void)verify_blocks(&threads[0]);
	for (size_t i = 1; i < started; i++)
		(void)pthread_join(threads[i].thread, NULL);
	for (size_t i = 0; i < started; i++) {
		if (threads[i].err.code < 0) {
			*err = threads[i].err;
			return err->code;
		}
	}
	return 0;
}

int image_verify_pages(const struct image *image, struct err *err)
{
	struct verify verify = { .image = image };
	auto_free void *tail = NULL;
	int r;

	assert(image->is_seekable && image->compression == IMAGE_PLAIN);
	r = read_tail(image, &tail, err);
	if (r < 0)
		return r;
	verify.tail = tail;
	(void)posix_fadvise(image->fd, (off_t)image->pages_offset, 0, POSIX_FADV_SEQUENTIAL);
	return verify_in_threads(&verify, err);
}
