/* The image: one file, written and read front to back.
 *
 *   header | records ... META_END | zeros to 4096 | page stream | index | trailer
 *
 * A reader has all metadata, closed by a checksum of its own, before a page arrives. The page
 * stream has the content of address spaces and unnamed files: the extents of every CONT record, in
 * the order of these records, without anything between them. It is cut into blocks of
 * IMAGE_BLOCK bytes (the last may be shorter); uncompressed, block n starts at pages_offset +
 * n * IMAGE_BLOCK, so that a block can be read straight into memory; compressed, each block is
 * preceded by a struct image_block. The index has a checksum of every block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "image/record.h"

#define IMAGE_PAGE  4096u
#define IMAGE_BLOCK (1u << 20)

enum image_compression { IMAGE_PLAIN, IMAGE_LZ4, IMAGE_ZSTD };

/* Content of an object: `length` bytes at `start` (an address, or an offset in a file), both
 * multiples of IMAGE_PAGE. */
struct image_extent {
	uint64_t start;
	uint64_t length;
};

#define TAG_CONTENT TAG('C', 'O', 'N', 'T')
/* The body of a CONT record: extents in rising order, not overlapping. */
RECORDS_BEGIN
struct image_extent_rec {
	le64 start;
	le64 length;
};
RECORDS_END
static_assert(sizeof(struct image_extent_rec) == 16, "image format");

/* What only the invoker may raise. */
struct image_limits {
	uint64_t metadata; /* bytes */
	uint64_t pages;	   /* bytes of page stream */
	uint32_t tasks;
	uint32_t records;
};
extern const struct image_limits image_default_limits;

/* ---- reading ---- */

struct image {
	void *metadata; /* owned: header and all records */
	size_t metadata_size;
	struct record *records; /* owned; in file order */
	size_t record_count;
	uint32_t *index;      /* owned: record numbers sorted by (tag, id) */
	uint32_t *order;      /* owned: record numbers sorted by tag, then as in the file */
	size_t skipped_count; /* unknown optional records that were left out */
	enum image_compression compression;
	uint64_t created;      /* seconds since the epoch */
	uint64_t pages_offset; /* of the page stream in the file */
	uint64_t pages_size;   /* uncompressed bytes in the page stream */
	uint64_t metadata_checksum;
	int fd; /* borrowed */
	bool is_seekable;
};

/* Reads header and metadata from fd, from its current position (which must be 0 in a seekable
 * file), and checks every byte: checksums, the order of records, each kind's check, then each
 * kind's link. fd is borrowed and must stay open. ERR_DAMAGED for whatever is wrong with the
 * bytes; ERR_REFUSED for what is whole, but beyond the limits or made by a newer ctckpt. Unknown
 * optional records are logged, counted and left out. */
int image_read(int fd, const struct image_limits *limits, struct image **ret_image,
	       struct err *err);
/* The same over bytes in memory, for tests and fuzzers: metadata only. */
int image_parse(const void *data, size_t size, const struct image_limits *limits,
		struct image **ret_image, struct err *err);
void image_free(struct image *image);
static inline void image_cleanup(struct image **image)
{
	image_free(*image);
}
#define auto_image __attribute__((cleanup(image_cleanup)))

/* The record with this tag and id, or NULL. O(log n). */
const struct record *image_find(const struct image *image, uint32_t tag, uint32_t id);
/* Iterates over the records with one tag, in file order: pass NULL first; NULL at end. O(log n). */
const struct record *image_next(const struct image *image, uint32_t tag, const struct record *last);

/* The page stream, front to back, for images that are compressed or come through a pipe.
 * Blocks are verified against the index by image_stream_finish(), which must succeed before any
 * of the bytes is trusted to be undamaged. */
struct image_stream;
int image_stream_open(const struct image *image, struct image_stream **ret_stream, struct err *err);
/* The next 1..size bytes of the stream, contiguous in memory, valid until the next call.
 * *ret_size 0 at the end. */
int image_stream_next(struct image_stream *stream, size_t size, const void **ret_data,
		      size_t *ret_size, struct err *err);
/* Reads index and trailer and verifies them: everything that was streamed, every count. */
int image_stream_finish(struct image_stream *stream, struct err *err);
/* Bytes of the image read so far: after image_stream_finish(), its size. */
uint64_t image_stream_offset(const struct image_stream *stream);
void image_stream_free(struct image_stream *stream);

/* For a seekable plain image whose pages were read elsewhere: reads index and trailer from the end
 * and verifies all blocks against them from the file. Safe in a thread of its own; starts more. */
int image_verify_pages(const struct image *image, struct err *err);
/* The size that the whole file must have, if it is plain. */
uint64_t image_plain_size(const struct image *image);

/* ---- writing ---- */

struct image_writer;
/* Collects records; nothing is written before image_writer_begin(). fd is borrowed, open for
 * writing at offset 0 or a pipe. */
struct image_writer *image_writer_new(int fd, enum image_compression compression, int level);
void image_writer_free(struct image_writer *writer);
void image_writer_add(struct image_writer *writer, uint32_t tag, uint16_t version, uint16_t flags,
		      uint32_t id, const void *body, size_t length);
/* Writes header and metadata; the sum of all CONT records gives the size of the page stream.
 * Returns the offset of the page stream, if the file is seekable and plain. */
int image_writer_begin(struct image_writer *writer, uint64_t *ret_pages_offset, struct err *err);
/* Either: bytes of the stream, in order. */
int image_writer_pages(struct image_writer *writer, const void *data, size_t size, struct err *err);
/* Or (seekable and plain only): the caller has put the stream's bytes up to `end` (an offset in
 * the stream, rising) into the file by itself. They are read back, to be checksummed, in a thread
 * of the writer's, while the caller goes on. */
int image_writer_placed(struct image_writer *writer, uint64_t end, struct err *err);
/* Waits for the checksums; writes index and trailer. *ret_size is the size of the image. */
int image_writer_end(struct image_writer *writer, uint64_t *ret_size, struct err *err);
