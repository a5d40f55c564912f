/* Shared by the tests of the image: kinds of their own, and small images. */
#pragma once

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/err.h"
#include "image/image.h"
#include "image/mend.h"
#include "kind/kind.h"
#include "unit.h"

/* ---- expectations ---- */

#define EXPECT_OK(unit, call, err)                                                                 \
	({                                                                                         \
		int ok_ = (call);                                                                  \
		if (ok_ < 0 && !(unit)->has_failed) {                                              \
			(unit)->has_failed = true;                                                 \
			printf("not ok %s: %s:%d: %s: %s\n", (unit)->name, __FILE__, __LINE__,     \
			       #call, (err)->text);                                                \
		}                                                                                  \
		ok_ >= 0;                                                                          \
	})

/* The call fails with this code, and this is in its text. */
#define EXPECT_ERR(unit, call, code_wanted, part, err)                                             \
	({                                                                                         \
		int code_ = (call);                                                                \
		bool is_so_ = code_ == (code_wanted) && (code_ == 0 || strstr((err)->text, part)); \
		if (!is_so_ && !(unit)->has_failed) {                                              \
			(unit)->has_failed = true;                                                 \
			printf("not ok %s: %s:%d: %s: %d \"%s\"\n", (unit)->name, __FILE__,        \
			       __LINE__, #call, code_, code_ < 0 ? (err)->text : "");              \
		}                                                                                  \
		is_so_;                                                                            \
	})

/* ---- kinds ---- */

/* A number, below 1000; a reference to a number that stands before. */
#define TAG_NUMBER    TAG('T', 'N', 'U', 'M')
#define TAG_REFERENCE TAG('T', 'R', 'E', 'F')

static inline int number_check(const void *body, size_t length, struct err *err)
{
	const le32 *number = body;

	if (length != sizeof(*number))
		return err_set(err, ERR_DAMAGED, "number: %zu bytes", length);
	if (le32_get(*number) >= 1000)
		return err_set(err, ERR_DAMAGED, "number: too large");
	return 0;
}

static inline int reference_check(const void *body, size_t length, struct err *err)
{
	(void)body;
	if (length != sizeof(le32))
		return err_set(err, ERR_DAMAGED, "reference: %zu bytes", length);
	return 0;
}

static inline int reference_link(const struct image *image, const struct record *record,
				 struct err *err)
{
	const struct record *number =
	    image_find(image, TAG_NUMBER, le32_get(*(const le32 *)record->body));

	if (!number || number > record)
		return err_set(err, ERR_DAMAGED, "reference to no number before it");
	return 0;
}

/* As if each reference were two mappings and three descriptors. */
static inline void reference_count(const void *body, size_t length, struct image_counts *counts)
{
	(void)body;
	(void)length;
	counts->mappings += 2;
	counts->descriptors += 3;
}

static const struct kind kind_number = {
	.name = "number",
	.tag = TAG_NUMBER,
	.scope = SCOPE_TASK,
	.check = number_check,
};
static const struct kind kind_reference = {
	.name = "reference",
	.tag = TAG_REFERENCE,
	.version = 2,
	.scope = SCOPE_FD,
	.check = reference_check,
	.count = reference_count,
	.link = reference_link,
};

/* A check with a hole, and what an image does through it in the cell. */
static pid_t hostile_outside; /* who is not the cell */
#define TAG_HOSTILE TAG('T', 'E', 'V', 'L')
enum hostile_act { HOSTILE_CRASH = 1, HOSTILE_EAT, HOSTILE_OPEN, HOSTILE_LIE };

static inline void hostile_do(enum hostile_act act)
{
	switch (act) {
	case HOSTILE_CRASH:
		__builtin_trap();
	case HOSTILE_EAT:
		for (int i = 0; i < 200; i++)
			memset(mem_resize(NULL, 1 << 20, 1), 1, 1 << 20);
		break;
	case HOSTILE_OPEN:
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			abort();
		break;
	case HOSTILE_LIE:
		break;
	}
}

static inline int hostile_check(const void *body, size_t length, struct err *err)
{
	if (length != sizeof(le32))
		return err_set(err, ERR_DAMAGED, "hostile: %zu bytes", length);
	if (getpid() == hostile_outside)
		return err_set(err, ERR_DAMAGED, "it was good in the cell");
	hostile_do((enum hostile_act)le32_get(*(const le32 *)body));
	return 0;
}

static const struct kind kind_hostile = {
	.name = "hostile",
	.tag = TAG_HOSTILE,
	.check = hostile_check,
};
extern const struct kind *const kinds[];
const struct kind *const kinds[] = { &kind_number, &kind_reference, &kind_hostile, NULL };

/* ---- images ---- */

static inline void add_number(struct image_writer *writer, uint32_t tag, uint32_t id,
			      uint32_t number)
{
	le32 body = le32_make(number);

	image_writer_add(writer, tag, 1, RECORD_REQUIRED, id, &body, sizeof(body));
}

static inline void add_content(struct image_writer *writer, uint32_t id, uint64_t start,
			       uint64_t length)
{
	struct image_extent_rec body = { le64_make(start), le64_make(length) };

	image_writer_add(writer, TAG_CONTENT, 1, RECORD_REQUIRED, id, &body, sizeof(body));
}

/* Bytes that compress a little; different for each offset. */
static inline void fill_pages(void *data, uint64_t offset, size_t size)
{
	unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++) {
		uint64_t place = offset + i;

		bytes[i] = (unsigned char)(place % 7 < 4 ? place >> 12 : place * 2654435761u >> 24);
	}
}

static inline int memory_file(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

static inline size_t file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		abort();
	return (size_t)st.st_size;
}

static inline void *file_bytes(int fd, size_t *ret_size)
{
	size_t size = file_size(fd);
	void *bytes = mem_alloc(size, 1);

	if (pread(fd, bytes, size, 0) != (ssize_t)size)
		abort();
	*ret_size = size;
	return bytes;
}

static inline int file_of(const void *data, size_t size)
{
	int fd = memory_file();

	if (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

/* Two numbers, a reference, and `pages` bytes of content. */
static inline int write_image(int fd, enum image_compression compression, uint64_t pages,
			      struct err *err)
{
	struct image_writer *writer = image_writer_new(fd, compression, 0);
	uint64_t offset, size;
	int r;

	add_number(writer, TAG_NUMBER, 7, 11);
	add_number(writer, TAG_NUMBER, 3, 12);
	add_number(writer, TAG_REFERENCE, 3, 7);
	if (pages > 0)
		add_content(writer, 5, 0x400000, pages);
	r = image_writer_begin(writer, &offset, err);
	for (uint64_t done = 0; r == 0 && done < pages;) {
		char piece[65536];
		size_t part = pages - done < 40000 ? (size_t)(pages - done) : 40000;

		fill_pages(piece, done, part);
		r = image_writer_pages(writer, piece, part, err);
		done += part;
	}
	if (r == 0)
		r = image_writer_end(writer, &size, err);
	image_writer_free(writer);
	return r;
}

/* Reads and verifies all of it. */
static inline int verify_image(int fd, bool as_stream, struct err *err)
{
	auto_image struct image *image = NULL;
	struct image_stream *stream;
	int r = image_read(fd, &image_default_limits, &image, err);

	if (r < 0)
		return r;
	if (!as_stream && image->is_seekable && image->compression == IMAGE_PLAIN)
		return image_verify_pages(image, err);
	r = image_stream_open(image, &stream, err);
	if (r < 0)
		return r;
	r = image_stream_finish(stream, err);
	image_stream_free(stream);
	return r;
}
