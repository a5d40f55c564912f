/* ctckpt_verify: whole images from files and pipes, and what it says about others. */
#include "ctckpt/inspect.h"

#include "image_test.h"

#define PAGES (3ull * IMAGE_BLOCK + IMAGE_PAGE)

static char *image_path(int fd)
{
	return mem_printf("/proc/self/fd/%d", fd);
}

static void whole(struct unit *unit, enum image_compression compression)
{
	struct ctckpt_verify_result result = { .records = 0 };
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free char *path = image_path(fd);

	EXPECT_OK(unit, write_image(fd, compression, PAGES, &err), &err);
	EXPECT_OK(unit, ctckpt_verify(path, -1, NULL, &result, &err), &err);
	EXPECT(unit, result.compression == compression);
	EXPECT(unit, result.records == 4 && result.unknown == 0);
	EXPECT(unit, result.pages_size == PAGES && result.image_size == file_size(fd));
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, ctckpt_verify("-", fd, NULL, &result, &err), &err);
}

static void plain(struct unit *unit)
{
	whole(unit, IMAGE_PLAIN);
}

static void lz4(struct unit *unit)
{
	whole(unit, IMAGE_LZ4);
}

static void zstd(struct unit *unit)
{
	whole(unit, IMAGE_ZSTD);
}

/* An image of less than a pipe holds. */
static void through_pipe(struct unit *unit)
{
	struct ctckpt_verify_result result = { .records = 0 };
	struct err err = ERR_NONE;
	int ends[2];

	EXPECT(unit, pipe2(ends, O_CLOEXEC) == 0);
	EXPECT_OK(unit, write_image(ends[1], IMAGE_PLAIN, 8192, &err), &err);
	(void)close(ends[1]);
	EXPECT_OK(unit, ctckpt_verify("-", ends[0], NULL, &result, &err), &err);
	EXPECT(unit, result.image_size == IMAGE_PAGE + 8192 + 24 + 8 + 64);
	(void)close(ends[0]);
}

static void something_behind(struct unit *unit)
{
	struct ctckpt_verify_result result = { .records = 0 };
	struct err err = ERR_NONE;
	int ends[2];

	EXPECT(unit, pipe2(ends, O_CLOEXEC) == 0);
	EXPECT_OK(unit, write_image(ends[1], IMAGE_PLAIN, 8192, &err), &err);
	EXPECT(unit, write(ends[1], "", 1) == 1);
	(void)close(ends[1]);
	EXPECT_ERR(unit, ctckpt_verify("-", ends[0], NULL, &result, &err), ERR_DAMAGED,
		   "verify standard input: image ends at offset 12384, but there is more behind it",
		   &err);
	(void)close(ends[0]);
}

static void flipped_page(struct unit *unit)
{
	struct ctckpt_verify_result result = { .records = 0 };
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free char *path = image_path(fd);

	EXPECT_OK(unit, write_image(fd, IMAGE_PLAIN, PAGES, &err), &err);
	EXPECT(unit, pwrite(fd, "!", 1, IMAGE_PAGE + 2 * IMAGE_BLOCK + 77) == 1);
	EXPECT_ERR(unit, ctckpt_verify(path, -1, NULL, &result, &err), ERR_DAMAGED,
		   "pages: wrong checksum of block 2", &err);
	EXPECT(unit, result.records == 0);
}

static void no_image(struct unit *unit)
{
	struct ctckpt_verify_result result = { .records = 0 };
	struct err err = ERR_NONE;

	EXPECT_ERR(unit, ctckpt_verify("/", -1, NULL, &result, &err), -EISDIR,
		   "verify /: read image: Is a directory", &err);
	EXPECT_ERR(unit, ctckpt_verify("/nonexistent", -1, NULL, &result, &err), -ENOENT,
		   "open /nonexistent: No such file or directory", &err);
	EXPECT_ERR(unit, ctckpt_verify("/proc/self/exe", -1, NULL, &result, &err), ERR_DAMAGED,
		   "verify /proc/self/exe: not a ctckpt image", &err);
}

static const struct unit_case cases[] = {
	{ "verify: plain image", plain },
	{ "verify: lz4 image", lz4 },
	{ "verify: zstd image", zstd },
	{ "verify: through a pipe", through_pipe },
	{ "verify: something behind the image", something_behind },
	{ "verify: a flipped byte in a page", flipped_page },
	{ "verify: what is no image", no_image },
};

int main(void)
{
	return UNIT_RUN(cases);
}
