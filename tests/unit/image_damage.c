/* Flips every byte of an image and cuts it at every length: nothing of it passes. */
#include "../fuzz/reading.h"
#include "image_test.h"

static void expect_damaged(struct unit *unit, const void *bytes, size_t size, bool as_stream,
			   const char *what, size_t where)
{
	struct err err = ERR_NONE;
	auto_close int fd = file_of(bytes, size);
	int r = reading_whole(fd, bytes, size, as_stream, &err);

	if (r == ERR_DAMAGED || unit->has_failed)
		return;
	unit->has_failed = true;
	printf("not ok %s: %s %zu: %d \"%s\"\n", unit->name, what, where, r, r < 0 ? err.text : "");
}

static void damage(struct unit *unit, enum image_compression compression, uint64_t pages,
		   bool as_stream)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free unsigned char *bytes = NULL;
	size_t size;

	EXPECT_OK(unit, write_image(fd, compression, pages, &err), &err);
	bytes = file_bytes(fd, &size);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, verify_image(fd, as_stream, &err), &err);
	for (size_t i = 0; i < size && !unit->has_failed; i++) {
		const unsigned char saved = bytes[i];

		bytes[i] ^= (unsigned char)(1u << i % 8);
		expect_damaged(unit, bytes, size, as_stream, "byte", i);
		bytes[i] = (unsigned char)~saved;
		expect_damaged(unit, bytes, size, as_stream, "byte", i);
		bytes[i] = saved;
		expect_damaged(unit, bytes, i, as_stream, "length", i);
	}
	expect_damaged(unit, bytes, size - 1, as_stream, "length", size - 1);
	bytes = mem_resize(bytes, size + 1, 1);
	bytes[size] = 0;
	expect_damaged(unit, bytes, size + 1, as_stream, "length", size + 1);
}

static void plain_in_file(struct unit *unit)
{
	damage(unit, IMAGE_PLAIN, 8192, false);
}

static void plain_as_stream(struct unit *unit)
{
	damage(unit, IMAGE_PLAIN, 8192, true);
}

static void no_pages(struct unit *unit)
{
	damage(unit, IMAGE_PLAIN, 0, false);
}

static void lz4(struct unit *unit)
{
	damage(unit, IMAGE_LZ4, 8192, true);
}

static void zstd(struct unit *unit)
{
	damage(unit, IMAGE_ZSTD, 8192, true);
}

/* The reader of pages is a process that an image may have taken over. */
static void more_pages_than_there_are(struct unit *unit)
{
	auto_image struct image *image = NULL;
	struct image_stream *stream = NULL;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	auto_free void *data = mem_alloc(2, IMAGE_BLOCK);
	uint64_t offset, size;

	add_content(writer, 1, 0, 2 * IMAGE_BLOCK);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT_OK(unit, image_writer_pages(writer, data, 2 * IMAGE_BLOCK, &err), &err);
	EXPECT_OK(unit, image_writer_end(writer, &size, &err), &err);
	image_writer_free(writer);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, image_read(fd, &image_default_limits, &image, &err), &err);
	EXPECT_OK(unit, image_stream_open(image, &stream, &err), &err);
	/* From here on we know of one, it of both. */
	image->pages_size = IMAGE_BLOCK;
	EXPECT(unit, image_stream_finish(stream, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "the reader of pages has too many");
	image_stream_free(stream);
}

static const struct unit_case cases[] = {
	{ "image: every byte and length of a plain image in a file", plain_in_file },
	{ "image: every byte and length of a plain image as a stream", plain_as_stream },
	{ "image: every byte and length of an image without pages", no_pages },
	{ "image: every byte and length of an lz4 image", lz4 },
	{ "image: every byte and length of a zstd image", zstd },
	UNIT_CASE(more_pages_than_there_are),
};

int main(void)
{
	return UNIT_RUN(cases);
}
