/* Whole images of any bytes, with their checksums mended: the page stream, index and trailer. */
#include "images.h"

#include "image/mend.h"
#include "reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	void *copy = fuzz_copy(data, size);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int r;

	image_mend(copy, size);
	if (fd < 0 || write(fd, copy, size) != (ssize_t)size)
		abort();
	r = reading_whole(fd, copy, size, true, &err);
	/* Both ways to read say the same. */
	if (reading_whole(fd, copy, size, false, &err) != r)
		abort();
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
