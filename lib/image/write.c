/* Writes an image, front to back. */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "image/checksum.h"
#include "image/tail.h"
#include "image/writer.h"

struct image_writer {
	struct io io;
	enum image_compression compression;
	int level;
	struct buf metadata; /* header, records; its size stays a multiple of IMAGE_ALIGN */
	uint64_t record_count;
	uint64_t metadata_checksum;
	uint64_t pages_size; /* announced, by CONT records */
	uint64_t pages_offset;
	uint64_t pages_done;
	struct err refused; /* why a record could not be added */
	bool is_seekable;
	struct block_sums blocks;
	struct checksum_stream *sum; /* of the current block; plain only */
	struct packer *packer;	     /* compressed only */
	unsigned char *room;	     /* the packer's, for the current block */
	struct placed *placed;	     /* from the first image_writer_placed() */
};

void block_sums_add(struct block_sums *blocks, uint64_t sum)
{
	array_grow(blocks->sums, blocks->count);
	blocks->sums[blocks->count++] = sum;
}

struct image_writer *image_writer_new(int fd, enum image_compression compression, int level)
{
	struct image_writer *writer = mem_alloc(1, sizeof(*writer));

	writer->io.fd = fd;
	writer->compression = compression;
	writer->level = level;
	(void)buf_append(&writer->metadata, NULL, sizeof(struct image_header));
	return writer;
}

void image_writer_free(struct image_writer *writer)
{
	if (!writer)
		return;
	placed_free(writer->placed);
	packer_free(writer->packer);
	checksum_stream_free(writer->sum);
	free(writer->blocks.sums);
	buf_free(&writer->metadata);
	free(writer);
}

/* ---- metadata ---- */

static void count_content(struct image_writer *writer, const void *body, size_t length)
{
	struct reader reader = reader_of(body, length);
	const struct image_extent_rec *extent;

	while ((extent = reader_take(&reader, sizeof(*extent))))
		writer->pages_size += le64_get(extent->length);
}

void image_writer_add(struct image_writer *writer, uint32_t tag, uint16_t version, uint16_t flags,
		      uint32_t id, const void *body, size_t length)
{
	struct record_header header = {
		.tag = le32_make(tag),
		.version = le16_make(version),
		.flags = le16_make(flags),
		.id = le32_make(id),
		.length = le32_make((uint32_t)length),
	};

	if (length > RECORD_LENGTH_MAX) {
		(void)err_set(&writer->refused, ERR_REFUSED,
			      "record %s %" PRIu32 ": %zu bytes are more than an image can hold",
			      tag_text(tag).text, id, length);
		return;
	}
	if (tag == TAG_CONTENT)
		count_content(writer, body, length);
	header.checksum = le64_make(image_record_checksum(&header, body));
	(void)buf_append(&writer->metadata, &header, sizeof(header));
	if (length > 0)
		(void)buf_append(&writer->metadata, body, length);
	buf_align(&writer->metadata, IMAGE_ALIGN);
	writer->record_count++;
}

static void end_metadata(struct image_writer *writer)
{
	struct image_metadata_end end = { .record_count = le64_make(writer->record_count) };

	writer->metadata_checksum = checksum(writer->metadata.data, writer->metadata.size);
	end.checksum = le64_make(writer->metadata_checksum);
	image_writer_add(writer, TAG_METADATA_END, 1, RECORD_REQUIRED, 0, &end, sizeof(end));
	writer->record_count--;
}

/* The header counts META_END in, and META_END's checksum covers the header. */
static void fill_header(struct image_writer *writer)
{
	struct image_header *header = (struct image_header *)writer->metadata.data;
	size_t size = writer->metadata.size + sizeof(struct record_header) +
		      sizeof(struct image_metadata_end);

	memcpy(header->magic, IMAGE_MAGIC, IMAGE_MAGIC_SIZE);
	header->version = le32_make(IMAGE_VERSION);
	header->architecture = le32_make(EM_X86_64);
	header->page_size = le32_make(IMAGE_PAGE);
	header->compression = le32_make((uint32_t)writer->compression);
	header->created = le64_make((uint64_t)time(NULL));
	header->metadata_size = le64_make(size);
	header->pages_size = le64_make(writer->pages_size);
	header->checksum = le64_make(checksum(header, offsetof(struct image_header, checksum)));
}

static bool is_file_at_start(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
}

int image_writer_begin(struct image_writer *writer, uint64_t *ret_pages_offset, struct err *err)
{
	int r;

	if (writer->refused.code < 0) {
		*err = writer->refused;
		return err->code;
	}
	assert(writer->pages_size % IMAGE_PAGE == 0);
	fill_header(writer);
	end_metadata(writer);
	buf_align(&writer->metadata, IMAGE_PAGE);
	writer->pages_offset = writer->metadata.size;
	writer->is_seekable = is_file_at_start(writer->io.fd);
	r = io_write(&writer->io, writer->metadata.data, writer->metadata.size, err);
	if (r < 0)
		return r;
	buf_free(&writer->metadata);
	if (writer->compression == IMAGE_PLAIN)
		writer->sum = checksum_stream_new();
	else
		writer->packer = packer_new(writer->compression, writer->level);
	if (writer->is_seekable && writer->compression == IMAGE_PLAIN)
		*ret_pages_offset = writer->pages_offset;
	else
		*ret_pages_offset = 0;
	return 0;
}

/* ---- pages ---- */

/* How many of `size` bytes still belong to the current block, and whether they fill it. */
static size_t fit_block(const struct image_writer *writer, size_t size, size_t *ret_used,
			bool *ret_is_full)
{
	size_t used = writer->pages_done % IMAGE_BLOCK;
	size_t length = image_block_length(writer->pages_size, writer->pages_done / IMAGE_BLOCK);
	size_t part = size < length - used ? size : length - used;

	*ret_used = used;
	*ret_is_full = used + part == length;
	return part;
}

static int write_plain(struct image_writer *writer, const void *data, size_t size, struct err *err)
{
	int r = io_write(&writer->io, data, size, err);

	if (r < 0)
		return r;
	for (const char *at = data; size > 0;) {
		bool is_full;
		size_t used;
		size_t part = fit_block(writer, size, &used, &is_full);

		checksum_stream_add(writer->sum, at, part);
		if (is_full)
			block_sums_add(&writer->blocks, checksum_stream_take(writer->sum));
		writer->pages_done += part;
		at += part;
		size -= part;
	}
	return 0;
}

static int write_packed(struct image_writer *writer, const void *data, size_t size, struct err *err)
{
	for (const char *at = data; size > 0;) {
		bool is_full;
		size_t used;
		size_t part = fit_block(writer, size, &used, &is_full);

		if (used == 0) {
			int r = packer_room(writer->packer, &writer->io, &writer->blocks,
					    &writer->room, err);
			if (r < 0)
				return r;
		}
		memcpy(writer->room + used, at, part);
		if (is_full)
			packer_submit(writer->packer, used + part);
		writer->pages_done += part;
		at += part;
		size -= part;
	}
	return 0;
}

static int check_amount(const struct image_writer *writer, uint64_t end, struct err *err)
{
	if (end <= writer->pages_size)
		return 0;
	return err_set(err, ERR_FAILED, "%" PRIu64 " bytes of pages, but %" PRIu64 " announced",
		       end, writer->pages_size);
}

int image_writer_pages(struct image_writer *writer, const void *data, size_t size, struct err *err)
{
	int r = check_amount(writer, writer->pages_done + size, err);

	assert(!writer->placed);
	if (r < 0)
		return r;
	if (writer->compression == IMAGE_PLAIN)
		return write_plain(writer, data, size, err);
	return write_packed(writer, data, size, err);
}

int image_writer_placed(struct image_writer *writer, uint64_t end, struct err *err)
{
	int r = check_amount(writer, end, err);

	assert(writer->is_seekable && writer->compression == IMAGE_PLAIN);
	assert(end >= writer->pages_done && (writer->placed || writer->pages_done == 0));
	if (r < 0)
		return r;
	if ((fcntl(writer->io.fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return err_set(err, ERR_FAILED, "image is not open for reading back");
	if (!writer->placed)
		writer->placed =
		    placed_new(writer->io.fd, writer->pages_offset, writer->pages_size);
	placed_advance(writer->placed, end);
	writer->pages_done = end;
	return 0;
}

/* ---- the end ---- */

static int finish_pages(struct image_writer *writer, struct err *err)
{
	uint64_t end = writer->pages_offset + writer->pages_size;

	if (writer->pages_done != writer->pages_size)
		return err_set(err, ERR_FAILED,
			       "%" PRIu64 " bytes of pages, but %" PRIu64 " announced",
			       writer->pages_done, writer->pages_size);
	if (writer->packer)
		return packer_flush(writer->packer, &writer->io, &writer->blocks, err);
	if (!writer->placed)
		return 0;
	if (lseek(writer->io.fd, (off_t)end, SEEK_SET) < 0)
		return err_set(err, -errno, "write image at offset %" PRIu64, end);
	writer->io.offset = end;
	return placed_finish(writer->placed, &writer->blocks, err);
}

int image_writer_end(struct image_writer *writer, uint64_t *ret_size, struct err *err)
{
	struct image_tail tail = {
		.record_count = writer->record_count,
		.block_count = image_block_count(writer->pages_size),
		.pages_size = writer->pages_size,
		.metadata_checksum = writer->metadata_checksum,
	};
	size_t size = image_tail_size(tail.block_count);
	auto_free void *bytes = NULL;
	int r = finish_pages(writer, err);

	if (r < 0)
		return r;
	assert(writer->blocks.count == tail.block_count);
	tail.image_size = writer->io.offset + size;
	bytes = image_tail_make(&tail, writer->blocks.sums);
	r = io_write(&writer->io, bytes, size, err);
	if (r < 0)
		return r;
	*ret_size = tail.image_size;
	return 0;
}
