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

static const struct unit_case cases[] = {
	{ "image: every byte and length of a plain image in a file", plain_in_file },
	{ "image: every byte and length of a plain image as a stream", plain_as_stream },
	{ "image: every byte and length of an image without pages", no_pages },
	{ "image: every byte and length of an lz4 image", lz4 },
	{ "image: every byte and length of a zstd image", zstd },
};

int main(void)
{
	return UNIT_RUN(cases);
}
