/* Verification of pages that are read elsewhere. Each of several cells has a part of the blocks. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/cell.h"
#include "core/cleanup.h"
#include "image/io.h"
#include "image/readback.h"
#include "image/tail.h"
#include "image/thread.h"
#include "image/verify.h"

/* Fewer blocks are not worth a cell more. */
#define BLOCKS_A_PART 16u

struct image_verification {
	struct cell cells[THREADS_MAX];
	size_t count;
};

uint64_t image_plain_size(const struct image *image)
{
	return image->pages_offset + image->pages_size +
	       image_tail_size(image_block_count(image->pages_size));
}

/* ---- in a cell ---- */

/* The tail of a plain image stands where the sizes in its header say. */
static int read_tail(const struct image *image, void **ret_tail, struct err *err)
{
	uint64_t whole = image_plain_size(image);
	size_t size = image_tail_size(image_block_count(image->pages_size));
	struct image_tail expected = image_tail_expected(image, whole);
	auto_free void *tail = mem_alloc(1, size);
	size_t got;
	int r = io_read_at(image->fd, whole - size, tail, size, &got, err);

	if (r == 0)
		r = image_tail_check(tail, &expected, err);
	if (r < 0)
		return r;
	*ret_tail = take_ptr(tail);
	return 0;
}

int verify_part(const struct image *image, size_t part, size_t parts, struct err *err)
{
	auto_readback struct readback *readback = readback_new(image->fd);
	auto_free void *tail = NULL;
	int r = read_tail(image, &tail, err);

	for (uint64_t i = part; r == 0 && i < image_block_count(image->pages_size); i += parts) {
		uint64_t sum;

		r = readback_block(readback, image->pages_offset + i * IMAGE_BLOCK,
				   image_block_length(image->pages_size, i), &sum, err);
		if (r == 0)
			r = image_tail_check_block(tail, i, sum, err);
	}
	return r;
}

struct part {
	const struct image *image;
	size_t number;
	size_t count;
};

static int work(void *argument, struct err *err)
{
	const struct part *part = argument;

	return verify_part(part->image, part->number, part->count, err);
}

/* ---- outside ---- */

int verify_size(const struct image *image, struct err *err)
{
	uint64_t whole = image_plain_size(image);
	struct stat st;

	if (fstat(image->fd, &st) < 0)
		return err_set(err, -errno, "read image");
	if ((uint64_t)st.st_size != whole)
		return err_set(err, ERR_DAMAGED, "image has %jd bytes instead of %" PRIu64,
			       (intmax_t)st.st_size, whole);
	return 0;
}

static int start_part(struct image_verification *verification, const struct image *image,
		      size_t parts, struct err *err)
{
	struct part part = { image, verification->count, parts };
	struct cell_job job = {
		.name = "the reader of pages",
		.work = work,
		.argument = &part,
		.input = image->fd,
		.channel = -1,
		.memory = (64ull << 20) + 16 * image_block_count(image->pages_size),
		.time = 20 + (image->pages_size >> 24),
		.remedy = IMAGE_OPEN_REMEDY,
		.is_open = image->limits.is_open,
	};

	return cell_start(&job, &verification->cells[verification->count++], err);
}

int image_verify_start(const struct image *image, struct image_verification **ret_verification,
		       struct err *err)
{
	struct image_verification *verification;
	size_t parts = 1 + image_block_count(image->pages_size) / BLOCKS_A_PART;
	int r = verify_size(image, err);

	assert(image->is_seekable && image->compression == IMAGE_PLAIN);
	if (r < 0)
		return r;
	(void)posix_fadvise(image->fd, (off_t)image->pages_offset, 0, POSIX_FADV_SEQUENTIAL);
	if (parts > thread_count_wanted())
		parts = thread_count_wanted();
	verification = mem_alloc(1, sizeof(*verification));
	while (r == 0 && verification->count < parts)
		r = start_part(verification, image, parts, err);
	if (r < 0) {
		image_verify_free(verification);
		return r;
	}
	*ret_verification = verification;
	return 0;
}

void image_verify_free(struct image_verification *verification)
{
	if (!verification)
		return;
	for (size_t i = 0; i < verification->count; i++)
		cell_free(&verification->cells[i]);
	free(verification);
}

int image_verify_end(struct image_verification *verification, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < verification->count; i++)
		r = cell_wait(&verification->cells[i], err);
	image_verify_free(verification);
	return r;
}

int image_verify_pages(const struct image *image, struct err *err)
{
	struct image_verification *verification;
	int r = image_verify_start(image, &verification, err);

	return r < 0 ? r : image_verify_end(verification, err);
}
