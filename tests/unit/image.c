/* Records and pages there and back; what is refused, and with which words. */
#include "image_test.h"

#include <elf.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "image/checksum.h"
#include "image/compress.h"
#include "image/format.h"

#define BIG (5ull * IMAGE_BLOCK + 3 * IMAGE_PAGE)

/* ---- round trips ---- */

static void expect_pages(struct unit *unit, struct image *image, struct err *err)
{
	struct image_stream *stream = NULL;
	uint64_t done = 0;
	const void *data;
	size_t size;

	EXPECT_OK(unit, image_stream_open(image, &stream, err), err);
	for (;;) {
		char expected[100000];

		EXPECT_OK(unit, image_stream_next(stream, sizeof(expected), &data, &size, err),
			  err);
		if (size == 0 || unit->has_failed)
			break;
		fill_pages(expected, done, size);
		EXPECT(unit, memcmp(expected, data, size) == 0);
		done += size;
	}
	EXPECT(unit, done == image->pages_size);
	EXPECT_OK(unit, image_stream_finish(stream, err), err);
	image_stream_free(stream);
}

static void expect_records(struct unit *unit, const struct image *image)
{
	const struct record *record = image_next(image, TAG_NUMBER, NULL);

	EXPECT(unit, image->record_count == 4);
	EXPECT(unit, record && record->id == 7 && le32_get(*(const le32 *)record->body) == 11);
	record = image_next(image, TAG_NUMBER, record);
	EXPECT(unit, record && record->id == 3 && le32_get(*(const le32 *)record->body) == 12);
	EXPECT(unit, record == image_find(image, TAG_NUMBER, 3));
	EXPECT(unit, !image_next(image, TAG_NUMBER, record));
	EXPECT(unit, !image_find(image, TAG_NUMBER, 5));
	EXPECT(unit, image_find(image, TAG_CONTENT, 5));
	EXPECT(unit, !image_next(image, TAG('N', 'O', 'N', 'E'), NULL));
}

static void round_trip(struct unit *unit, enum image_compression compression)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();

	EXPECT_OK(unit, write_image(fd, compression, BIG, &err), &err);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, image_read(fd, &image_default_limits, &image, &err), &err);
	if (!image)
		return;
	EXPECT(unit, image->compression == compression && image->is_seekable);
	EXPECT(unit, image->pages_size == BIG && image->created > 1600000000);
	expect_records(unit, image);
	expect_pages(unit, image, &err);
	if (compression == IMAGE_PLAIN)
		EXPECT_OK(unit, image_verify_pages(image, &err), &err);
	else
		EXPECT(unit, file_size(fd) < BIG);
}

static void plain(struct unit *unit)
{
	round_trip(unit, IMAGE_PLAIN);
}

static void lz4(struct unit *unit)
{
	round_trip(unit, IMAGE_LZ4);
}

static void zstd(struct unit *unit)
{
	round_trip(unit, IMAGE_ZSTD);
}

static void through_pipe(struct unit *unit, enum image_compression compression, bool non_blocking)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;
	int ends[2];
	int status;
	pid_t pid;

	EXPECT(unit, pipe2(ends, non_blocking ? O_NONBLOCK : 0) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		_exit(write_image(ends[1], compression, BIG, &err) < 0);
	}
	(void)close(ends[1]);
	EXPECT_OK(unit, image_read(ends[0], &image_default_limits, &image, &err), &err);
	if (image) {
		EXPECT(unit, !image->is_seekable);
		expect_records(unit, image);
		expect_pages(unit, image, &err);
	}
	(void)close(ends[0]);
	EXPECT(unit, waitpid(pid, &status, 0) == pid && status == 0);
}

static void plain_pipe(struct unit *unit)
{
	through_pipe(unit, IMAGE_PLAIN, false);
	through_pipe(unit, IMAGE_PLAIN, true);
}

static void zstd_pipe(struct unit *unit)
{
	through_pipe(unit, IMAGE_ZSTD, false);
	through_pipe(unit, IMAGE_ZSTD, true);
}

/* Random bytes do not shrink. */
static void incompressible(struct unit *unit)
{
	struct image_writer *writer;
	auto_image struct image *image = NULL;
	struct image_stream *stream = NULL;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free uint64_t *data = mem_alloc(IMAGE_BLOCK, 1);
	uint64_t x = 88172645463325252ull;
	const void *back = NULL;
	uint64_t offset, size;
	size_t got = 0;

	for (size_t i = 0; i < IMAGE_BLOCK / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		data[i] = x ^= x << 17;
	}
	writer = image_writer_new(fd, IMAGE_LZ4, 0);
	add_content(writer, 1, 0, IMAGE_BLOCK);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT(unit, offset == 0);
	EXPECT_OK(unit, image_writer_pages(writer, data, IMAGE_BLOCK, &err), &err);
	EXPECT_OK(unit, image_writer_end(writer, &size, &err), &err);
	image_writer_free(writer);
	EXPECT(unit,
	       size > IMAGE_BLOCK && size < IMAGE_BLOCK + 3 * IMAGE_PAGE && size == file_size(fd));
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, image_read(fd, &image_default_limits, &image, &err), &err);
	EXPECT_OK(unit, image_stream_open(image, &stream, &err), &err);
	EXPECT_OK(unit, image_stream_next(stream, IMAGE_BLOCK, &back, &got, &err), &err);
	EXPECT(unit, got == IMAGE_BLOCK && memcmp(back, data, got) == 0);
	EXPECT_OK(unit, image_stream_finish(stream, &err), &err);
	image_stream_free(stream);
}

static void placed(struct unit *unit)
{
	auto_image struct image *image = NULL;
	struct image_writer *writer;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free char *data = mem_alloc(BIG, 1);
	uint64_t offset, size;

	fill_pages(data, 0, BIG);
	writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	add_content(writer, 1, 0, BIG);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT(unit, offset == IMAGE_PAGE);
	for (uint64_t done = 0; done < BIG;) {
		uint64_t part = BIG - done < 700000 ? BIG - done : 700000;

		EXPECT(unit,
		       pwrite(fd, data + done, part, (off_t)(offset + done)) == (ssize_t)part);
		done += part;
		EXPECT_OK(unit, image_writer_placed(writer, done, &err), &err);
	}
	EXPECT_OK(unit, image_writer_end(writer, &size, &err), &err);
	image_writer_free(writer);
	EXPECT(unit, size == file_size(fd));
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, image_read(fd, &image_default_limits, &image, &err), &err);
	EXPECT_OK(unit, image_verify_pages(image, &err), &err);
	expect_pages(unit, image, &err);
}

static void finish_reads_the_rest(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();

	EXPECT_OK(unit, write_image(fd, IMAGE_ZSTD, BIG, &err), &err);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, verify_image(fd, true, &err), &err);
}

/* ---- writers that fail ---- */

static void wrong_amount(struct unit *unit)
{
	char page[IMAGE_PAGE] = { 0 };
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	uint64_t offset, size;

	add_content(writer, 1, 0, 2 * IMAGE_PAGE);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT_OK(unit, image_writer_pages(writer, page, sizeof(page), &err), &err);
	EXPECT_ERR(unit, image_writer_end(writer, &size, &err), ERR_FAILED,
		   "4096 bytes of pages, but 8192 announced", &err);
	EXPECT_OK(unit, image_writer_pages(writer, page, sizeof(page), &err), &err);
	EXPECT_ERR(unit, image_writer_pages(writer, page, 1, &err), ERR_FAILED,
		   "8193 bytes of pages, but 8192 announced", &err);
	image_writer_free(writer);
}

static void broken_pipe(struct unit *unit, enum image_compression compression)
{
	struct err err = ERR_NONE;
	int ends[2];

	EXPECT(unit, pipe(ends) == 0);
	(void)close(ends[0]);
	EXPECT_ERR(unit, write_image(ends[1], compression, BIG, &err), -EPIPE,
		   "write image at offset 0: Broken pipe", &err);
	(void)close(ends[1]);
}

static void broken_pipe_at_start(struct unit *unit)
{
	broken_pipe(unit, IMAGE_PLAIN);
}

/* A reader that goes away in the middle of the pages. */
static void broken_pipe_later(struct unit *unit)
{
	struct err err = ERR_NONE;
	char bytes[70000];
	int ends[2];
	int status;
	pid_t pid;

	EXPECT(unit, pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[1]);
		_exit(read(ends[0], bytes, sizeof(bytes)) <= 0);
	}
	(void)close(ends[0]);
	EXPECT_ERR(unit, write_image(ends[1], IMAGE_ZSTD, 64 * BIG, &err), -EPIPE, "Broken pipe",
		   &err);
	(void)close(ends[1]);
	EXPECT(unit, waitpid(pid, &status, 0) == pid && status == 0);
}

static void full_disk(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	EXPECT(unit, fd >= 0);
	EXPECT_ERR(unit, write_image(fd, IMAGE_PLAIN, BIG, &err), -ENOSPC,
		   "No space left on device", &err);
}

static void placed_but_not_there(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	uint64_t offset, size;

	add_content(writer, 1, 0, BIG);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT_OK(unit, image_writer_placed(writer, BIG, &err), &err);
	EXPECT_ERR(unit, image_writer_end(writer, &size, &err), ERR_FAILED,
		   "read back what was written: image is cut off at offset 4096", &err);
	image_writer_free(writer);
}

static void abandoned(struct unit *unit)
{
	auto_free char *data = mem_alloc(BIG, 1);
	struct err err = ERR_NONE;

	for (int i = 0; i < 3; i++) {
		auto_close int fd = memory_file();
		struct image_writer *writer =
		    image_writer_new(fd, i == 1 ? IMAGE_LZ4 : IMAGE_PLAIN, 0);
		uint64_t offset;

		add_content(writer, 1, 0, 2 * BIG);
		EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
		if (i < 2)
			EXPECT_OK(unit, image_writer_pages(writer, data, BIG, &err), &err);
		else
			EXPECT_OK(unit, image_writer_placed(writer, IMAGE_PAGE, &err), &err);
		image_writer_free(writer);
	}
}

static void half_written_is_no_image(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	auto_free char *data = mem_alloc(BIG, 1);
	uint64_t offset;

	add_content(writer, 1, 0, BIG);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	EXPECT_OK(unit, image_writer_pages(writer, data, BIG, &err), &err);
	image_writer_free(writer);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_ERR(unit, verify_image(fd, true, &err), ERR_DAMAGED, "image is cut off at offset",
		   &err);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_ERR(unit, verify_image(fd, false, &err), ERR_DAMAGED,
		   "image has 5259264 bytes instead", &err);
}

/* ---- records that are refused ---- */

typedef void add_fn(struct image_writer *writer);

/* An image of what `add` adds, read; pages are not written. */
static int read_records(add_fn *add, const struct image_limits *limits, struct image **ret_image,
			struct err *err)
{
	auto_close int fd = memory_file();
	auto_free void *bytes = NULL;
	struct image_writer *writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	uint64_t offset;
	size_t size;
	int r;

	add(writer);
	r = image_writer_begin(writer, &offset, err);
	image_writer_free(writer);
	if (r < 0)
		return r;
	bytes = file_bytes(fd, &size);
	return image_parse(bytes, size, limits, ret_image, err);
}

static void expect_refused(struct unit *unit, add_fn *add, int code, const char *text)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;

	EXPECT_ERR(unit, read_records(add, &image_default_limits, &image, &err), code, text, &err);
	EXPECT(unit, !image);
}

static void add_twice(struct image_writer *writer)
{
	add_number(writer, TAG_NUMBER, 7, 1);
	add_number(writer, TAG_NUMBER, 8, 1);
	add_number(writer, TAG_NUMBER, 7, 2);
}

static void twice(struct unit *unit)
{
	expect_refused(unit, add_twice, ERR_DAMAGED,
		       "record TNUM 7 at offset 128: there are two of it");
}

static void add_required(struct image_writer *writer)
{
	add_number(writer, TAG_NUMBER, 7, 1);
	add_number(writer, TAG('W', 'H', 'A', '\n'), 9, 1);
}

static void unknown_required(struct unit *unit)
{
	expect_refused(unit, add_required, ERR_REFUSED,
		       "record WHA? 9 at offset 96: unknown record WHA?, version 1: "
		       "made by a newer ctckpt");
}

static void add_optional(struct image_writer *writer)
{
	le32 body = le32_make(5);

	image_writer_add(writer, TAG('W', 'H', 'A', 'T'), 1, 0, 4, &body, sizeof(body));
	image_writer_add(writer, TAG_NUMBER, 2, 0, 4, &body, sizeof(body));
	image_writer_add(writer, TAG_NUMBER, 1, 0, 5, &body, sizeof(body));
}

static void unknown_optional(struct unit *unit)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;

	EXPECT_OK(unit, read_records(add_optional, &image_default_limits, &image, &err), &err);
	if (!image)
		return;
	EXPECT(unit, image->record_count == 1 && image->skipped_count == 2);
	EXPECT(unit, image_find(image, TAG_NUMBER, 5) == image->records);
	EXPECT(unit, !image_find(image, TAG_NUMBER, 4));
}

static void add_new_version(struct image_writer *writer)
{
	le32 body = le32_make(5);

	image_writer_add(writer, TAG_NUMBER, 2, RECORD_REQUIRED, 4, &body, sizeof(body));
}

static void new_version(struct unit *unit)
{
	expect_refused(unit, add_new_version, ERR_REFUSED, "unknown record TNUM, version 2");
}

static void add_version_zero(struct image_writer *writer)
{
	le32 body = le32_make(5);

	image_writer_add(writer, TAG_NUMBER, 0, RECORD_REQUIRED, 4, &body, sizeof(body));
}

static void version_zero(struct unit *unit)
{
	expect_refused(unit, add_version_zero, ERR_DAMAGED,
		       "record 1 at offset 64: impossible version");
}

static void add_flags(struct image_writer *writer)
{
	le32 body = le32_make(5);

	image_writer_add(writer, TAG_NUMBER, 1, 2, 4, &body, sizeof(body));
}

static void unknown_flags(struct unit *unit)
{
	expect_refused(unit, add_flags, ERR_DAMAGED, "record 1 at offset 64: unknown flags");
}

static void add_bad_number(struct image_writer *writer)
{
	add_number(writer, TAG_NUMBER, 9, 1000);
}

static void check_fails(struct unit *unit)
{
	expect_refused(unit, add_bad_number, ERR_DAMAGED,
		       "record TNUM 9 at offset 64: number: too large");
}

static void add_forward_reference(struct image_writer *writer)
{
	add_number(writer, TAG_REFERENCE, 1, 7);
	add_number(writer, TAG_NUMBER, 7, 1);
}

static void link_fails(struct unit *unit)
{
	expect_refused(unit, add_forward_reference, ERR_DAMAGED,
		       "record TREF 1 at offset 64: reference to no number before it");
}

/* ---- content that is refused ---- */

static void add_extents(struct image_writer *writer, const struct image_extent *extents,
			size_t count)
{
	auto_buf struct buf body = BUF_EMPTY;

	for (size_t i = 0; i < count; i++) {
		struct image_extent_rec rec = { le64_make(extents[i].start),
						le64_make(extents[i].length) };

		(void)buf_append(&body, &rec, sizeof(rec));
	}
	image_writer_add(writer, TAG_CONTENT, 1, RECORD_REQUIRED, 1, body.data, body.size);
}

static void add_overlap(struct image_writer *writer)
{
	add_extents(writer, (struct image_extent[]){ { 4096, 8192 }, { 8192, 4096 } }, 2);
}

static void add_falling(struct image_writer *writer)
{
	add_extents(writer, (struct image_extent[]){ { 8192, 4096 }, { 0, 4096 } }, 2);
}

static void add_empty(struct image_writer *writer)
{
	add_extents(writer, (struct image_extent[]){ { 8192, 0 } }, 1);
}

static void add_unaligned(struct image_writer *writer)
{
	add_extents(writer, (struct image_extent[]){ { 8, 4096 } }, 1);
}

static void add_overflow(struct image_writer *writer)
{
	add_extents(writer, (struct image_extent[]){ { UINT64_MAX - 4095, 4096 } }, 1);
}

static void add_half(struct image_writer *writer)
{
	le64 body = le64_make(4096);

	image_writer_add(writer, TAG_CONTENT, 1, RECORD_REQUIRED, 1, &body, sizeof(body));
}

static void bad_content(struct unit *unit)
{
	expect_refused(unit, add_overlap, ERR_DAMAGED, "content: extents overlap or fall");
	expect_refused(unit, add_falling, ERR_DAMAGED, "content: extents overlap or fall");
	expect_refused(unit, add_empty, ERR_DAMAGED, "content: extent is not made of pages");
	expect_refused(unit, add_unaligned, ERR_DAMAGED, "content: extent is not made of pages");
	expect_refused(unit, add_overflow, ERR_DAMAGED, "content: impossible extent");
	expect_refused(unit, add_half, ERR_DAMAGED, "content: 8 bytes");
}

/* ---- forged bytes, with right checksums ---- */

typedef void forge_fn(char *bytes);

static void expect_forgery(struct unit *unit, forge_fn *forge, int code, const char *text)
{
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_close int forged = -1;
	auto_free char *bytes = NULL;
	size_t size;

	EXPECT_OK(unit, write_image(fd, IMAGE_PLAIN, 8192, &err), &err);
	bytes = file_bytes(fd, &size);
	forge(bytes);
	image_mend(bytes, size);
	forged = file_of(bytes, size);
	EXPECT_ERR(unit, verify_image(forged, false, &err), code, text, &err);
	(void)lseek(forged, 0, SEEK_SET);
	EXPECT_ERR(unit, verify_image(forged, true, &err), code, text, &err);
}

#define FORGE_HEADER(name, field, value)                                                           \
	static void name(char *bytes)                                                              \
	{                                                                                          \
		((struct image_header *)bytes)->field = value;                                     \
	}
FORGE_HEADER(forge_version, version, le32_make(2))
FORGE_HEADER(forge_architecture, architecture, le32_make(EM_AARCH64))
FORGE_HEADER(forge_page_size, page_size, le32_make(16384))
FORGE_HEADER(forge_compression, compression, le32_make(3))
FORGE_HEADER(forge_reserved, reserved, le64_make(1))
FORGE_HEADER(forge_metadata_small, metadata_size, le64_make(64))
FORGE_HEADER(forge_metadata_odd, metadata_size, le64_make(1001))
FORGE_HEADER(forge_metadata_huge, metadata_size, le64_make(UINT64_MAX - 7))
FORGE_HEADER(forge_metadata_long, metadata_size, le64_make(1ull << 30))
FORGE_HEADER(forge_pages_odd, pages_size, le64_make(8193))
FORGE_HEADER(forge_pages_huge, pages_size, le64_make(1ull << 50))
FORGE_HEADER(forge_pages_more, pages_size, le64_make(12288))

static void forge_magic(char *bytes)
{
	bytes[5] = '\n';
}

static void forge_record_length(char *bytes)
{
	((struct record_header *)(bytes + 64))->length = le32_make(RECORD_LENGTH_MAX + 1);
}

static void forge_record_end(char *bytes)
{
	((struct record_header *)(bytes + 64))->length = le32_make(100000);
}

static void forge_padding(char *bytes)
{
	bytes[64 + 24 + 6] = 1;
}

static void forge_gap(char *bytes)
{
	bytes[IMAGE_PAGE - 1] = 1;
}

static void nothing_forged(char *bytes)
{
	(void)bytes;
}

static void forge_pages(char *bytes)
{
	memset(bytes + IMAGE_PAGE, 0, 8192);
}

static void forgeries(struct unit *unit)
{
	expect_forgery(unit, nothing_forged, 0, "");
	expect_forgery(unit, forge_pages, 0, "");
	expect_forgery(unit, forge_magic, ERR_DAMAGED, "not a ctckpt image");
	expect_forgery(unit, forge_version, ERR_REFUSED, "image format 2: made by a newer ctckpt");
	expect_forgery(unit, forge_architecture, ERR_REFUSED,
		       "another architecture (ELF machine 183)");
	expect_forgery(unit, forge_page_size, ERR_REFUSED, "pages of 16384 bytes");
	expect_forgery(unit, forge_compression, ERR_REFUSED,
		       "compression 3: made by a newer ctckpt");
	expect_forgery(unit, forge_reserved, ERR_DAMAGED, "image header: unknown bits");
	expect_forgery(unit, forge_metadata_small, ERR_DAMAGED, "impossible size of metadata");
	expect_forgery(unit, forge_metadata_odd, ERR_DAMAGED, "impossible size of metadata");
	expect_forgery(unit, forge_metadata_huge, ERR_REFUSED, "bytes of metadata are more than");
	expect_forgery(unit, forge_metadata_long, ERR_DAMAGED, "image is cut off at offset");
	expect_forgery(unit, forge_pages_odd, ERR_DAMAGED, "impossible size of pages");
	expect_forgery(unit, forge_pages_huge, ERR_REFUSED,
		       "bytes of pages are more than the limit");
	expect_forgery(unit, forge_pages_more, ERR_DAMAGED,
		       "content of 8192 bytes, page stream of 12288");
	expect_forgery(unit, forge_record_length, ERR_DAMAGED,
		       "record 1 at offset 64: impossible length");
	expect_forgery(unit, forge_record_end, ERR_DAMAGED, "record 1 at offset 64");
	expect_forgery(unit, forge_padding, ERR_DAMAGED,
		       "record 1 at offset 64: padding is not zero");
	expect_forgery(unit, forge_gap, ERR_DAMAGED,
		       "bytes between metadata and pages are not zero");
}

/* ---- limits ---- */

static void add_three(struct image_writer *writer)
{
	for (uint32_t i = 1; i <= 3; i++)
		add_number(writer, TAG_NUMBER, i, i);
	for (uint32_t i = 1; i <= 3; i++)
		add_number(writer, TAG_REFERENCE, i, i);
}

static void limits(struct unit *unit)
{
	static const struct {
		enum image_limit limit;
		uint64_t most;
		const char *text, *hint;
	} rows[] = {
		{ LIMIT_RECORDS, 5, "6 records are more than the limit of 5", "records=6" },
		{ LIMIT_TASKS, 2, "3 tasks are more than the limit of 2", "tasks=3" },
		{ LIMIT_MAPPINGS, 5, "6 mappings are more than the limit of 5", "mappings=6" },
		{ LIMIT_DESCRIPTORS, 8, "9 descriptors are more than the limit of 8",
		  "descriptors=9" },
		{ LIMIT_DESCRIPTORS, 2, "3 descriptors are more than the limit of 2",
		  "descriptors=3" },
		{ LIMIT_METADATA, 100, "296 bytes of metadata are more than the limit of 100",
		  "metadata=296" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_limits few = image_default_limits;
		auto_image struct image *image = NULL;
		struct err err = ERR_NONE;

		few.most[rows[i].limit] = rows[i].most;
		EXPECT_ERR(unit, read_records(add_three, &few, &image, &err), ERR_REFUSED,
			   rows[i].text, &err);
		EXPECT(unit, strstr(err.hint, "where that is meant: --limit "));
		EXPECT(unit, strstr(err.hint, rows[i].hint));
	}
}

/* ---- bombs ---- */

/* An image of `size` bytes of zeros, each block as small as it gets: as ctckpt never writes it. */
static int write_bomb(int fd, enum image_compression compression, uint64_t size, struct err *err)
{
	struct image_writer *writer = image_writer_new(fd, compression, 0);
	struct compressor *compressor = compressor_new(compression, 0);
	auto_free char *zeros = mem_alloc(IMAGE_BLOCK, 1);
	auto_free char *packed = mem_alloc(2, IMAGE_BLOCK);
	struct image_block header = { .raw_length = le32_make(IMAGE_BLOCK) };
	size_t stored;
	uint64_t offset;
	int r;

	add_content(writer, 1, 0, size);
	r = image_writer_begin(writer, &offset, err);
	image_writer_free(writer);
	compressor_pack(compressor, zeros, IMAGE_BLOCK, packed, &stored);
	compressor_free(compressor);
	memset(packed + stored, 0, IMAGE_ALIGN);
	header.stored_length = le32_make((uint32_t)stored);
	header.checksum = le64_make(image_block_checksum(&header, packed));
	for (uint64_t done = 0; r == 0 && done < size; done += IMAGE_BLOCK) {
		if (write(fd, &header, sizeof(header)) != sizeof(header) ||
		    write(fd, packed, image_align(stored, IMAGE_ALIGN)) < 0)
			return err_set(err, -errno, "write");
	}
	return r;
}

static void bomb(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_close int zstd_fd = memory_file();
	auto_close int lz4_fd = memory_file();

	EXPECT_OK(unit, write_bomb(zstd_fd, IMAGE_ZSTD, 256ull << 20, &err), &err);
	(void)lseek(zstd_fd, 0, SEEK_SET);
	EXPECT_ERR(unit, verify_image(zstd_fd, true, &err), ERR_REFUSED, "pages: block 6", &err);
	EXPECT(unit, strstr(err.text, " bytes of pages for each that is stored are more than the "
				      "limit of 1000"));
	EXPECT(unit, strstr(err.hint, "--limit ratio="));
	/* lz4 knows no better than 255. */
	EXPECT_OK(unit, write_bomb(lz4_fd, IMAGE_LZ4, 256ull << 20, &err), &err);
	(void)lseek(lz4_fd, 0, SEEK_SET);
	EXPECT_ERR(unit, verify_image(lz4_fd, true, &err), ERR_DAMAGED, "cut off", &err);
}

/* What we write ourselves is no bomb, whatever is in memory. */
static void all_the_same(struct unit *unit)
{
	struct image_writer *writer;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_free char *ones = mem_alloc(IMAGE_BLOCK, 1);
	uint64_t offset, size = 0;

	memset(ones, 1, IMAGE_BLOCK);
	writer = image_writer_new(fd, IMAGE_ZSTD, 0);
	add_content(writer, 1, 0, 256ull << 20);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	for (int i = 0; i < 256; i++)
		EXPECT_OK(unit, image_writer_pages(writer, ones, IMAGE_BLOCK, &err), &err);
	EXPECT_OK(unit, image_writer_end(writer, &size, &err), &err);
	image_writer_free(writer);
	EXPECT(unit, size > IMAGE_BLOCK && size < 3 * IMAGE_BLOCK);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_OK(unit, verify_image(fd, true, &err), &err);
}

/* ---- a reader in trouble ---- */

static void expect_hostile(struct unit *unit, enum hostile_act act, int code, const char *text)
{
	struct image_writer *writer;
	struct err err = ERR_NONE;
	auto_close int fd = memory_file();
	auto_image struct image *image = NULL;
	uint64_t offset;

	hostile_outside = getpid();
	writer = image_writer_new(fd, IMAGE_PLAIN, 0);
	add_number(writer, TAG_HOSTILE, 1, act);
	EXPECT_OK(unit, image_writer_begin(writer, &offset, &err), &err);
	image_writer_free(writer);
	(void)lseek(fd, 0, SEEK_SET);
	EXPECT_ERR(unit, image_read(fd, &image_default_limits, &image, &err), code, text, &err);
}

static void checks_go_wrong(struct unit *unit)
{
	expect_hostile(unit, HOSTILE_CRASH, ERR_DAMAGED,
		       "the reader of the image was killed by signal 4 (Illegal instruction)");
	expect_hostile(unit, HOSTILE_EAT, ERR_DAMAGED,
		       "the reader of the image gave up with 64 MiB of memory");
	expect_hostile(unit, HOSTILE_OPEN, ERR_DAMAGED,
		       "the reader of the image was killed for a forbidden system call");
}

/* Its word is not taken. */
static void reader_lies(struct unit *unit)
{
	expect_hostile(unit, HOSTILE_LIE, ERR_DAMAGED,
		       "record TEVL 1 at offset 64: it was good in the cell");
}

/* ---- sources ---- */

static void expect_source(struct unit *unit, int fd, int code, const char *text)
{
	struct err err = ERR_NONE;

	EXPECT(unit, fd >= 0);
	EXPECT_ERR(unit, verify_image(fd, false, &err), code, text, &err);
	(void)close(fd);
}

static void sources(struct unit *unit)
{
	const char text[100] = "\x89"
			       "CKPT\n\x1a, its CR LF turned into LF";
	int moved = file_of("xyz", 3);

	expect_source(unit, open("/", O_RDONLY | O_DIRECTORY), -EISDIR,
		      "read image: Is a directory");
	expect_source(unit, open("/dev/null", O_RDONLY), ERR_FAILED, "neither a file nor a pipe");
	expect_source(unit, memory_file(), ERR_DAMAGED, "image is cut off at offset 0");
	expect_source(unit, file_of(text, sizeof(text)), ERR_DAMAGED, "not a ctckpt image");
	(void)lseek(moved, 1, SEEK_SET);
	expect_source(unit, moved, -ESPIPE, "the file is not at its start");
}

static const struct unit_case cases[] = {
	{ "image: plain image", plain },
	{ "image: lz4 image", lz4 },
	{ "image: zstd image", zstd },
	{ "image: plain image through a pipe", plain_pipe },
	{ "image: zstd image through a pipe", zstd_pipe },
	{ "image: bytes that do not shrink", incompressible },
	{ "image: pages placed by the caller", placed },
	{ "image: finish reads the rest", finish_reads_the_rest },
	{ "image: wrong amount of pages", wrong_amount },
	{ "image: broken pipe", broken_pipe_at_start },
	{ "image: broken pipe in the middle", broken_pipe_later },
	{ "image: full disk", full_disk },
	{ "image: placed pages that are not there", placed_but_not_there },
	{ "image: abandoned writers", abandoned },
	{ "image: half an image", half_written_is_no_image },
	{ "image: two records with one id", twice },
	{ "image: unknown required record", unknown_required },
	{ "image: unknown optional record", unknown_optional },
	{ "image: newer version of a record", new_version },
	{ "image: version 0 of a record", version_zero },
	{ "image: unknown flags of a record", unknown_flags },
	{ "image: a kind's check", check_fails },
	{ "image: a kind's link", link_fails },
	{ "image: bad content", bad_content },
	{ "image: forged images", forgeries },
	{ "image: limits", limits },
	{ "image: a bomb", bomb },
	{ "image: memory that is all the same", all_the_same },
	{ "image: a kind's check that goes wrong", checks_go_wrong },
	{ "image: a reader that was taken over", reader_lies },
	{ "image: sources", sources },
};

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	return UNIT_RUN(cases);
}
