/* Verification of pages that were read elsewhere. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "image/io.h"
#include "image/readback.h"
#include "image/tail.h"

/* The tail of a plain image stands where the sizes in its header say, and ends the file. */
static int read_tail(const struct image *image, void **ret_tail, struct err *err)
{
	uint64_t offset = image->pages_offset + image->pages_size;
	size_t size = image_tail_size(image_block_count(image->pages_size));
	struct image_tail expected = image_tail_expected(image, offset + size);
	auto_free void *tail = NULL;
	struct stat st;
	size_t got;
	int r;

	if (fstat(image->fd, &st) < 0)
		return err_set(err, -errno, "read image");
	if ((uint64_t)st.st_size != offset + size)
		return err_set(err, ERR_DAMAGED,
			       "image has %jd bytes instead of %" PRIu64, (intmax_t)st.st_size,
			       offset + size);
	tail = mem_alloc(1, size);
	r = io_read_at(image->fd, offset, tail, size, &got, err);
	if (r < 0)
		return r;
	r = image_tail_check(tail, &expected, err);
	if (r < 0)
		return r;
	*ret_tail = take_ptr(tail);
	return 0;
}

int image_verify_pages(const struct image *image, struct err *err)
{
	auto_readback struct readback *readback = readback_new(image->fd);
	uint64_t count = image_block_count(image->pages_size);
	auto_free void *tail = NULL;
	int r;

	assert(image->is_seekable && image->compression == IMAGE_PLAIN);
	r = read_tail(image, &tail, err);
	if (r < 0)
		return r;
	(void)posix_fadvise(image->fd, (off_t)image->pages_offset, 0, POSIX_FADV_SEQUENTIAL);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t sum;

		r = readback_block(readback, image->pages_offset + i * IMAGE_BLOCK,
				   image_block_length(image->pages_size, i), &sum, err);
		if (r < 0)
			return r;
		r = image_tail_check_block(tail, i, sum, err);
		if (r < 0)
			return r;
	}
	return 0;
}
