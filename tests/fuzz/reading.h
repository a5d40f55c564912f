/* The reader of images without its cells, for those who read thousands of small ones. */
#pragma once

#include <unistd.h>

#include "core/cleanup.h"
#include "image/blocks.h"
#include "image/verify.h"

static inline int reading_stream(const struct image *image, struct err *err)
{
	auto_blocks struct blocks *blocks = blocks_new(image);
	auto_free void *room = mem_resize(NULL, IMAGE_BLOCK, 1);
	int r = 0;

	if (lseek(image->fd, (off_t)image->pages_offset, SEEK_SET) < 0)
		return err_set(err, -errno, "seek");
	while (r == 0 && blocks_have_more(blocks))
		r = blocks_next(blocks, room, err);
	return r < 0 ? r : blocks_finish(blocks, err);
}

static inline int reading_pages(const struct image *image, struct err *err)
{
	int r = verify_size(image, err);

	if (r == 0)
		r = verify_part(image, 0, 2, err);
	return r < 0 ? r : verify_part(image, 1, 2, err);
}

/* The image in `data`, of which fd is a file. */
static inline int reading_whole(int fd, const void *data, size_t size, bool as_stream,
				struct err *err)
{
	auto_image struct image *image = NULL;
	int r = image_parse(data, size, &image_default_limits, &image, err);

	if (r < 0)
		return r;
	image->fd = fd;
	return as_stream || image->compression != IMAGE_PLAIN ? reading_stream(image, err)
							      : reading_pages(image, err);
}
