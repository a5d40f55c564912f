/* Reads header and metadata of an image; what was read is looked at in a cell first. See image.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cell.h"
#include "core/cleanup.h"
#include "image/format.h"
#include "image/io.h"
#include "image/metadata.h"

/* Metadata is read in pieces that grow, so that a lie about its size costs no memory. */
#define FIRST_PIECE (1u << 20)

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->metadata);
	free(image->records);
	free(image->index);
	free(image->order);
	free(image->places);
	free(image);
}

static struct image *image_new(int fd, const struct image_limits *limits)
{
	struct image *image = mem_alloc(1, sizeof(*image));

	image->fd = fd;
	image->limits = *limits;
	return image;
}

/* Header, metadata, and the zeros up to the pages. */
struct input {
	struct image *image;
	char padding[IMAGE_PAGE];
	size_t padding_size;
};

static int read_input(struct input *input, struct io *io, const struct image_header *header,
		      struct err *err)
{
	struct image *image = input->image;
	size_t capacity = sizeof(*header);
	size_t filled = sizeof(*header);
	int r;

	image->metadata = mem_copy(header, sizeof(*header));
	while (filled < image->metadata_size) {
		capacity = capacity < FIRST_PIECE ? FIRST_PIECE : 2 * capacity;
		if (capacity > image->metadata_size)
			capacity = image->metadata_size;
		image->metadata = mem_resize(image->metadata, capacity, 1);
		r = io_read(io, (char *)image->metadata + filled, capacity - filled, err);
		if (r < 0)
			return r;
		filled = capacity;
	}
	input->padding_size = image->pages_offset - image->metadata_size;
	return io_read(io, input->padding, input->padding_size, err);
}

/* Only a file can be sought in; a directory or device is no image. */
static int check_source(int fd, bool *ret_is_seekable, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "read image");
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "read image");
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return err_set(err, ERR_FAILED, "read image: neither a file nor a pipe");
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) != 0)
		return err_set(err, -ESPIPE, "read image: the file is not at its start");
	*ret_is_seekable = S_ISREG(st.st_mode);
	return 0;
}

/* All of it but the header, which was checked before the rest was read. */
static int look(void *argument, struct err *err)
{
	const struct input *input = argument;

	if (!image_is_zero(input->padding, input->padding_size))
		return err_set(err, ERR_DAMAGED, "bytes between metadata and pages are not zero");
	return metadata_take_records(input->image, err);
}

/* What the records' tables and the kinds' checks may need is some times as much as the records. */
static int look_in_cell(struct input *input, struct err *err)
{
	const struct image *image = input->image;
	struct cell_job job = {
		.name = "the reader of the image",
		.work = look,
		.argument = input,
		.input = -1,
		.channel = -1,
		.memory = (64ull << 20) + 8 * (uint64_t)image->metadata_size,
		.time = 20 + (image->metadata_size >> 22),
		.remedy = IMAGE_OPEN_REMEDY,
		.is_open = image->limits.is_open,
	};

	return cell_run(&job, err);
}

int image_read(int fd, const struct image_limits *limits, struct image **ret_image, struct err *err)
{
	auto_image struct image *image = image_new(fd, limits);
	struct input input = { .image = image };
	struct io io = { .fd = fd };
	struct image_header header;
	int r = check_source(fd, &image->is_seekable, err);

	if (r == 0)
		r = io_read(&io, &header, sizeof(header), err);
	if (r == 0)
		r = metadata_take_header(image, &header, err);
	if (r == 0)
		r = read_input(&input, &io, &header, err);
	if (r == 0)
		r = look_in_cell(&input, err);
	if (r == 0)
		r = look(&input, err);
	if (r < 0)
		return r;
	*ret_image = take_ptr(image);
	return 0;
}

int image_parse(const void *data, size_t size, const struct image_limits *limits,
		struct image **ret_image, struct err *err)
{
	auto_image struct image *image = image_new(-1, limits);
	struct input input = { .image = image };
	struct image_header header;
	int r;

	if (size < sizeof(header))
		return err_set(err, ERR_DAMAGED, "image is cut off at offset %zu", size);
	memcpy(&header, data, sizeof(header));
	r = metadata_take_header(image, &header, err);
	if (r < 0)
		return r;
	if (size < image->metadata_size)
		return err_set(err, ERR_DAMAGED, "image is cut off at offset %zu", size);
	if (size > image->pages_offset)
		size = image->pages_offset;
	input.padding_size = size - image->metadata_size;
	memcpy(input.padding, (const char *)data + image->metadata_size, input.padding_size);
	image->metadata = mem_copy(data, image->metadata_size);
	r = look(&input, err);
	if (r < 0)
		return r;
	*ret_image = take_ptr(image);
	return 0;
}
