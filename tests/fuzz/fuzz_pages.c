/* Whole images of any bytes, with their checksums mended: the page stream, index and trailer. */
#include "images.h"

#include "image/mend.h"

static int stream(struct image *image, struct err *err)
{
	struct image_stream *pages = NULL;
	uint64_t total = 0;
	const void *data;
	size_t size;
	int r = image_stream_open(image, &pages, err);

	if (r < 0)
		abort();
	do {
		r = image_stream_next(pages, 100000, &data, &size, err);
		total += r == 0 ? size : 0;
	} while (r == 0 && size > 0);
	if (r == 0 && total != image->pages_size)
		abort();
	if (r == 0)
		r = image_stream_finish(pages, err);
	image_stream_free(pages);
	return r;
}

static int read_all(int fd, struct err *err)
{
	auto_image struct image *image = NULL;
	int r = image_read(fd, &image_default_limits, &image, err);

	if (r < 0)
		return r;
	r = stream(image, err);
	/* Both ways to read say the same. */
	if (image->compression == IMAGE_PLAIN && image_verify_pages(image, err) != r)
		abort();
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	void *copy = fuzz_copy(data, size);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int r;

	image_mend(copy, size);
	if (fd < 0 || write(fd, copy, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	r = read_all(fd, &err);
	if (r < 0 && ((r != ERR_DAMAGED && r != ERR_REFUSED) || err.text[0] == '\0'))
		abort();
	(void)close(fd);
	free(copy);
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	fuzz_image(random, (enum image_compression)(fuzz_random(random) % 3), seed);
}
