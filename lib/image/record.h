/* Records: the unit of an image's metadata.
 *
 * A record is a header, a body of `length` bytes, and zeros up to the next multiple of 8. The tag
 * says what the body is; the id says of which object: a task, a thread, an address space, an open
 * file, a namespace. Records of the same object share its id and differ in the tag; a pair (tag,
 * id) occurs once. Records name other objects by id only, never by pid, descriptor number or
 * pointer, and stand behind those that they name. Id 0 is nobody's: "none" in a reference. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "core/endian.h"

#define TAG(a, b, c, d)                                                                            \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* Between these two, a struct with implicit padding does not compile. */
#define RECORDS_BEGIN _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic error \"-Wpadded\"")
#define RECORDS_END   _Pragma("GCC diagnostic pop")

/* A reader that does not know the tag must refuse the image; without it, it may go on. */
#define RECORD_REQUIRED 1u

RECORDS_BEGIN
struct record_header {
	le32 tag;
	le16 version;
	le16 flags;
	le32 id;
	le32 length;   /* of the body, without padding */
	le64 checksum; /* XXH3-64 of the header with this field zero, then the body */
};
RECORDS_END
static_assert(sizeof(struct record_header) == 24, "image format");

#define RECORD_LENGTH_MAX (256u << 20)

/* A record read: `body` points into the image's metadata and has been through its check. */
struct record {
	uint32_t tag;
	uint32_t id;
	uint16_t version;
	uint16_t flags;
	uint32_t length;
	const void *body;
};

/* All bytes of a body are reached through a reader, which cannot run past the end. */
struct reader {
	const unsigned char *at;
	const unsigned char *end;
};

static inline struct reader reader_of(const void *body, size_t length)
{
	return (struct reader){ body, (const unsigned char *)body + length };
}

/* The next `size` bytes, or NULL when fewer are left; then nothing is taken. */
static inline const void *reader_take(struct reader *reader, size_t size)
{
	const unsigned char *at = reader->at;

	if ((size_t)(reader->end - at) < size)
		return NULL;
	reader->at = at + size;
	return at;
}

static inline size_t reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}
