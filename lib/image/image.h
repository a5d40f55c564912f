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

/* Does this file begin as an image does? */
bool image_begins(int fd);

/* What only the invoker may raise. */
enum image_limit {
	LIMIT_METADATA,	   /* bytes */
	LIMIT_PAGES,	   /* bytes of page stream */
	LIMIT_RATIO,	   /* bytes of pages for each that is stored, beyond IMAGE_RATIO_FREE */
	LIMIT_RECORDS,	   /* in all */
	LIMIT_TASKS,	   /* processes, or threads */
	LIMIT_MAPPINGS,	   /* of all tasks */
	LIMIT_DESCRIPTORS, /* of all tasks; or open files */
	LIMIT_COUNT,
};
struct image_limits {
	uint64_t most[LIMIT_COUNT];
	bool is_open; /* the reader without its filter: see core/cell.h */
};
/* For looking at images: pages are read and forgotten. */
extern const struct image_limits image_default_limits;
/* For restores: the same, but that the pages must fit into this host's memory and swap. */
struct image_limits image_limits_of_host(void);
/* "tasks=100", "pages=16G". ERR_USAGE. */
int image_limits_parse(const char *text, struct image_limits *limits, struct err *err);

/* What to do where the reader cannot be confined. */
#define IMAGE_OPEN_REMEDY                                                                          \
	"--unconfined-reader reads it without a filter: for images of your own only"

/* Whoever writes a compressed image keeps below this: what compresses better is stored as it is now
 * and then. */
#define IMAGE_RATIO	 1000u
#define IMAGE_RATIO_FREE (64ull << 20)

/* ---- reading ---- */

struct image {
	void *metadata; /* owned: header and all records */
	size_t metadata_size;
	struct record *records; /* owned; in file order */
	size_t record_count;
	uint32_t *index;      /* owned: record numbers sorted by (tag, id) */
	uint32_t *order;      /* owned: record numbers sorted by tag, then as in the file */
	uint32_t *places;     /* owned: where each record is in `order` */
	size_t skipped_count; /* unknown optional records that were left out */
	enum image_compression compression;
	uint64_t created;      /* seconds since the epoch */
	uint64_t pages_offset; /* of the page stream in the file */
	uint64_t pages_size;   /* uncompressed bytes in the page stream */
	uint64_t metadata_checksum;
	struct image_limits limits; /* those it was read with */
	int fd;			    /* borrowed */
	bool is_seekable;
};

/* Reads header and metadata from fd, from its current position (which must be 0 in a seekable
 * file), and checks every byte: checksums, the order of records, each kind's check, then each
 * kind's link. fd is borrowed and must stay open. ERR_DAMAGED for whatever is wrong with the
 * bytes; ERR_REFUSED for what is whole, but beyond the limits or made by a newer ctckpt; ERR_HOST
 * if they cannot be looked at safely here. Unknown optional records are logged, counted and left
 * out.
 *
 * The metadata is looked at twice: first in a cell (core/cell.h), then by the caller's process.
 * - Bytes are copied from the descriptor before anybody looks at them, but for the fixed fields of
 *   the header; the cell has a copy of the copy. Nobody can exchange them between the two looks:
 *   neither who writes the file, nor a cell that was taken over.
 * - Whatever the bytes break - a crash, a loop, a flood of memory - they break in the cell, where
 *   there is nothing to be had. The image is damaged then.
 * - The second look is as thorough as the first, and comes before anything is done with a record. A
 *   cell that was taken over and calls the image good has gained nothing by that: it was not
 *   believed. Who wants more of us than a refusal must break the same checks twice, with the same
 *   bytes, the second time without having learned anything from the first.
 * - What is large and not ours - decompression - is done in cells only, and what comes from there
 *   is never looked at: it becomes content of memory and files.
 * The second look costs as much as the first, which is little: tens of microseconds for a small
 * container. */
int image_read(int fd, const struct image_limits *limits, struct image **ret_image,
	       struct err *err);
/* The same over bytes in memory, without a cell, for tests and fuzzers: metadata only. */
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
/* Iterates over the records with one tag, in file order: pass NULL first, O(log n), then one with
 * this tag, O(1); NULL at end. */
const struct record *image_next(const struct image *image, uint32_t tag, const struct record *last);

/* The page stream, front to back, for images that are compressed or come through a pipe. A cell
 * reads ahead and unpacks. Blocks are verified against the index by image_stream_finish(), which
 * must succeed before any of the bytes is trusted to be undamaged. */
struct image_stream;
/* `image` is borrowed. */
int image_stream_open(const struct image *image, struct image_stream **ret_stream, struct err *err);
/* The next 1..size bytes of the stream, contiguous in memory, valid until the next call. They may
 * be altered meanwhile by a cell that was taken over: pass them on, do not look at them. *ret_size
 * 0 at the end. */
int image_stream_next(struct image_stream *stream, size_t size, const void **ret_data,
		      size_t *ret_size, struct err *err);
/* Reads index and trailer and verifies them: everything that was streamed, every count. */
int image_stream_finish(struct image_stream *stream, struct err *err);
/* After image_stream_finish(): the size of the image. */
uint64_t image_stream_offset(const struct image_stream *stream);
void image_stream_free(struct image_stream *stream);

/* For a seekable plain image whose pages are read elsewhere: cells read index and trailer from the
 * end and verify all blocks against them from the file, while the caller goes on. */
struct image_verification;
/* `image` is borrowed. */
int image_verify_start(const struct image *image, struct image_verification **ret_verification,
		       struct err *err);
/* Waits for them, and frees. */
int image_verify_end(struct image_verification *verification, struct err *err);
void image_verify_free(struct image_verification *verification);
/* Both. */
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
