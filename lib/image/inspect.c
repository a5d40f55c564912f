/* Looking at whole images. */
#include "ctckpt/inspect.h"

#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"

static const char *name_of(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static int verify_stream(struct image *image, uint64_t *ret_size, struct err *err)
{
	struct image_stream *stream = NULL;
	int r = image_stream_open(image, &stream, err);

	if (r < 0)
		return r;
	r = image_stream_finish(stream, err);
	if (r == 0)
		*ret_size = image_stream_offset(stream);
	image_stream_free(stream);
	return r;
}

static int verify(int fd, const struct image_limits *limits,
		  struct ctckpt_verify_result *ret_result, struct err *err)
{
	auto_image struct image *image = NULL;
	uint64_t size;
	int r = image_read(fd, limits ? limits : &image_default_limits, &image, err);

	if (r < 0)
		return r;
	size = image_plain_size(image);
	if (image->is_seekable && image->compression == IMAGE_PLAIN)
		r = image_verify_pages(image, err);
	else
		r = verify_stream(image, &size, err);
	if (r < 0)
		return r;
	*ret_result = (struct ctckpt_verify_result){
		.compression = image->compression,
		.created = image->created,
		.records = image->record_count + image->skipped_count,
		.unknown = image->skipped_count,
		.metadata_size = image->metadata_size,
		.pages_size = image->pages_size,
		.image_size = size,
	};
	return 0;
}

int ctckpt_verify(const char *path, int fd, const struct image_limits *limits,
		  struct ctckpt_verify_result *ret_result, struct err *err)
{
	auto_close int opened = -1;

	if (!path)
		return verify(fd, limits, ret_result, err);
	if (strcmp(path, "-") != 0) {
		opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (opened < 0)
			return err_set(err, -errno, "open %s", path);
		fd = opened;
	}
	if (verify(fd, limits, ret_result, err) < 0)
		return err_wrap(err, "verify %s", name_of(path));
	return 0;
}
