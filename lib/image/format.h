/* The bytes of an image around its records; see ctckpt-image(5). Private to lib/image. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "image/image.h"

/* A byte with the high bit set, a CR LF and a control-Z: a transfer as text does not survive. */
#define IMAGE_MAGIC	    "\211CKPT\r\n\032"
#define IMAGE_TRAILER_MAGIC "\211CKEND\r\n"
#define IMAGE_MAGIC_SIZE    8u

#define IMAGE_VERSION 1u
/* Whatever the limits: offsets in the file must not overflow. */
#define IMAGE_PAGES_MAX (1ull << 60)
#define IMAGE_ALIGN	8u /* of records, and of compressed blocks */

#define TAG_METADATA_END TAG('M', 'E', 'N', 'D')
#define TAG_INDEX	 TAG('I', 'N', 'D', 'X')

RECORDS_BEGIN
struct image_header {
	unsigned char magic[IMAGE_MAGIC_SIZE];
	le32 version;
	le32 architecture; /* EM_X86_64 */
	le32 page_size;
	le32 compression;
	le64 created;
	le64 metadata_size; /* from this header to the end of META_END */
	le64 pages_size;    /* uncompressed */
	le64 reserved;
	le64 checksum; /* of the bytes before */
};

struct image_metadata_end {
	le64 record_count; /* without this one */
	le64 checksum;	   /* of all bytes before this record */
};

/* Before each block of a compressed page stream; zeros up to IMAGE_ALIGN follow the stored bytes.
 * A block that did not shrink is stored as it is: then both lengths are the same. */
struct image_block {
	le32 raw_length;
	le32 stored_length;
	le64 checksum; /* of the lengths, then the stored bytes */
};

struct image_index {
	le32 tag; /* TAG_INDEX */
	le32 reserved;
	le64 block_count;
	le64 checksum; /* of the fields before, then the entries */
};

struct image_index_entry {
	le64 checksum; /* of the raw bytes of the block */
};

struct image_trailer {
	unsigned char magic[IMAGE_MAGIC_SIZE];
	le64 record_count;
	le64 block_count;
	le64 pages_size;
	le64 image_size;
	le64 content_checksum; /* of the checksum in META_END, then the index */
	le64 reserved;
	le64 checksum; /* of the bytes before */
};
RECORDS_END
static_assert(sizeof(struct image_header) == 64, "image format");
static_assert(sizeof(struct image_metadata_end) == 16, "image format");
static_assert(sizeof(struct image_block) == 16, "image format");
static_assert(sizeof(struct image_index) == 24, "image format");
static_assert(sizeof(struct image_index_entry) == 8, "image format");
static_assert(sizeof(struct image_trailer) == 64, "image format");

static inline uint64_t image_align(uint64_t size, uint64_t alignment)
{
	return (size + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t image_block_count(uint64_t pages_size)
{
	return pages_size / IMAGE_BLOCK + (pages_size % IMAGE_BLOCK != 0);
}

/* The length of block `number`. */
static inline size_t image_block_length(uint64_t pages_size, uint64_t number)
{
	uint64_t left = pages_size - number * IMAGE_BLOCK;

	return left < IMAGE_BLOCK ? (size_t)left : IMAGE_BLOCK;
}

static inline bool image_is_zero(const void *data, size_t size)
{
	const unsigned char *bytes = data;

	return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* "EVFD", for messages: bytes that do not print become '?'. */
struct tag_text {
	char text[5];
};
struct tag_text tag_text(uint32_t tag);

uint64_t image_record_checksum(const struct record_header *header, const void *body);
uint64_t image_block_checksum(const struct image_block *header, const void *stored);
/* The entries follow the index header in memory. */
uint64_t image_index_checksum(const struct image_index *index, uint64_t block_count);
uint64_t image_content_checksum(uint64_t metadata_checksum, const struct image_index *index,
				uint64_t block_count);
