/* Reads header and metadata of an image. Every byte is an enemy's until its checks are through:
 * first the checksums of everything, then the records' own checks, then the links. */
#include <elf.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "image/checksum.h"
#include "image/find.h"
#include "image/format.h"
#include "image/io.h"
#include "image/record_type.h"

/* Metadata is read in pieces that grow, so that a lie about its size costs no memory. */
#define FIRST_PIECE (1u << 20)

const struct image_limits image_default_limits = {
	.metadata = 1ull << 30,
	.pages = 1ull << 40,
	.tasks = 1u << 16,
	.records = 1u << 22,
};

void image_free(struct image *image)
{
	if (!image)
		return;
	free(image->metadata);
	free(image->records);
	free(image->index);
	free(image->order);
	free(image);
}

static struct image *image_new(int fd)
{
	struct image *image = mem_alloc(1, sizeof(*image));

	image->fd = fd;
	return image;
}

/* "record EVFD 7 at offset 4712: " in front of an error. */
static int wrap_record(const struct image *image, const struct record *record, struct err *err)
{
	const char *start = (const char *)record->body - sizeof(struct record_header);

	return err_wrap(err, "record %s %" PRIu32 " at offset %td", tag_text(record->tag).text,
			record->id, start - (const char *)image->metadata);
}

/* ---- header ---- */

static int check_limit(const char *what, uint64_t value, uint64_t limit, struct err *err)
{
	if (value <= limit)
		return 0;
	return err_set(err, ERR_REFUSED, "%" PRIu64 " %s are more than the limit of %" PRIu64,
		       value, what, limit);
}

/* Does this ctckpt read such images at all? */
static int check_variant(const struct image_header *header, struct err *err)
{
	if (le32_get(header->version) != IMAGE_VERSION)
		return err_set(err, ERR_REFUSED, "image format %" PRIu32 ": made by a newer ctckpt",
			       le32_get(header->version));
	if (le32_get(header->architecture) != EM_X86_64)
		return err_set(err, ERR_REFUSED,
			       "image of another architecture (ELF machine %" PRIu32 ")",
			       le32_get(header->architecture));
	if (le32_get(header->page_size) != IMAGE_PAGE)
		return err_set(err, ERR_REFUSED, "image with pages of %" PRIu32 " bytes",
			       le32_get(header->page_size));
	if (le32_get(header->compression) > IMAGE_ZSTD)
		return err_set(err, ERR_REFUSED, "compression %" PRIu32 ": made by a newer ctckpt",
			       le32_get(header->compression));
	return 0;
}

static int check_header(const struct image_header *header, const struct image_limits *limits,
			struct err *err)
{
	const uint64_t least = sizeof(struct image_header) + sizeof(struct record_header) +
			       sizeof(struct image_metadata_end);
	uint64_t metadata = le64_get(header->metadata_size);
	int r;

	if (memcmp(header->magic, IMAGE_MAGIC, IMAGE_MAGIC_SIZE) != 0)
		return err_set(err, ERR_DAMAGED, "not a ctckpt image");
	if (le64_get(header->checksum) != checksum(header, offsetof(struct image_header, checksum)))
		return err_set(err, ERR_DAMAGED, "image header: wrong checksum");
	r = check_variant(header, err);
	if (r < 0)
		return r;
	if (le64_get(header->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "image header: unknown bits");
	if (metadata < least || metadata % IMAGE_ALIGN != 0)
		return err_set(err, ERR_DAMAGED, "image header: impossible size of metadata");
	if (le64_get(header->pages_size) % IMAGE_PAGE != 0 ||
	    le64_get(header->pages_size) > IMAGE_PAGES_MAX)
		return err_set(err, ERR_DAMAGED, "image header: impossible size of pages");
	r = check_limit("bytes of metadata", metadata, limits->metadata, err);
	if (r < 0)
		return r;
	return check_limit("bytes of pages", le64_get(header->pages_size), limits->pages, err);
}

static int take_header(struct image *image, const struct image_header *header,
		       const struct image_limits *limits, struct err *err)
{
	int r = check_header(header, limits, err);

	if (r < 0)
		return r;
	image->compression = (enum image_compression)le32_get(header->compression);
	image->created = le64_get(header->created);
	image->metadata_size = le64_get(header->metadata_size);
	image->pages_size = le64_get(header->pages_size);
	image->pages_offset = image_align(image->metadata_size, IMAGE_PAGE);
	return 0;
}

/* ---- records ---- */

static int take_record(struct reader *reader, struct record *ret_record, struct err *err)
{
	const struct record_header *header = reader_take(reader, sizeof(*header));
	const void *padding;
	const void *body;
	uint32_t length;

	if (!header)
		return err_set(err, ERR_DAMAGED, "cut off");
	length = le32_get(header->length);
	if (length > RECORD_LENGTH_MAX)
		return err_set(err, ERR_DAMAGED, "impossible length");
	body = reader_take(reader, length);
	padding = reader_take(reader, image_align(length, IMAGE_ALIGN) - length);
	if (!body || !padding)
		return err_set(err, ERR_DAMAGED, "cut off");
	if (le64_get(header->checksum) != image_record_checksum(header, body))
		return err_set(err, ERR_DAMAGED, "wrong checksum");
	if (!image_is_zero(padding, image_align(length, IMAGE_ALIGN) - length))
		return err_set(err, ERR_DAMAGED, "padding is not zero");
	if (le16_get(header->version) == 0)
		return err_set(err, ERR_DAMAGED, "impossible version");
	if (le16_get(header->flags) & ~RECORD_REQUIRED)
		return err_set(err, ERR_DAMAGED, "unknown flags");
	*ret_record = (struct record){
		.tag = le32_get(header->tag),
		.id = le32_get(header->id),
		.version = le16_get(header->version),
		.flags = le16_get(header->flags),
		.length = length,
		.body = body,
	};
	return 0;
}

/* META_END: the last record, with a count and a checksum of everything before it. */
static int check_metadata_end(struct image *image, const struct record *record, size_t left,
			      struct err *err)
{
	const struct image_metadata_end *end = record->body;
	size_t before = (size_t)((const char *)record->body - (const char *)image->metadata) -
			sizeof(struct record_header);

	if (record->length != sizeof(*end) || record->version != 1 || record->id != 0 ||
	    record->flags != RECORD_REQUIRED)
		return err_set(err, ERR_DAMAGED, "malformed");
	if (left != 0)
		return err_set(err, ERR_DAMAGED, "%zu bytes behind the end of metadata", left);
	if (le64_get(end->record_count) != image->record_count)
		return err_set(err, ERR_DAMAGED, "%" PRIu64 " records announced, %zu there",
			       le64_get(end->record_count), image->record_count);
	image->metadata_checksum = le64_get(end->checksum);
	if (image->metadata_checksum != checksum(image->metadata, before))
		return err_set(err, ERR_DAMAGED, "wrong checksum of metadata");
	return 0;
}

static int take_records(struct image *image, const struct image_limits *limits, struct err *err)
{
	struct reader reader = reader_of(image->metadata, image->metadata_size);
	struct record record;
	int r;

	(void)reader_take(&reader, sizeof(struct image_header));
	for (;;) {
		size_t offset = image->metadata_size - reader_left(&reader);

		r = take_record(&reader, &record, err);
		if (r < 0)
			return err_wrap(err, "record %zu at offset %zu", image->record_count + 1,
					offset);
		if (record.tag == TAG_METADATA_END)
			break;
		r = check_limit("records", image->record_count + 1, limits->records, err);
		if (r < 0)
			return r;
		array_grow(image->records, image->record_count);
		image->records[image->record_count++] = record;
	}
	r = check_metadata_end(image, &record, reader_left(&reader), err);
	return r < 0 ? wrap_record(image, &record, err) : 0;
}

/* ---- checks of records ---- */

static int check_content(const struct record *record, uint64_t *total, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct image_extent_rec *extent;
	uint64_t last_end = 0;

	if (record->length % sizeof(*extent) != 0)
		return err_set(err, ERR_DAMAGED, "content: %" PRIu32 " bytes", record->length);
	while ((extent = reader_take(&reader, sizeof(*extent)))) {
		uint64_t start = le64_get(extent->start);
		uint64_t length = le64_get(extent->length);

		if (start % IMAGE_PAGE != 0 || length % IMAGE_PAGE != 0 || length == 0)
			return err_set(err, ERR_DAMAGED, "content: extent is not made of pages");
		if (start < last_end)
			return err_set(err, ERR_DAMAGED, "content: extents overlap or fall");
		if (__builtin_add_overflow(start, length, &last_end) ||
		    __builtin_add_overflow(*total, length, total))
			return err_set(err, ERR_DAMAGED, "content: impossible extent");
	}
	return 0;
}

static int check_record(const struct record *record, const struct record_type *type,
			uint64_t *content, struct err *err)
{
	int r;

	if (record->tag == TAG_CONTENT) {
		r = check_content(record, content, err);
		if (r < 0)
			return r;
	}
	return type->check ? type->check(record->body, record->length, err) : 0;
}

static bool is_known(const struct record *record, struct record_type *ret_type)
{
	*ret_type = (struct record_type){ .version = 1 };
	if (!record_type_find(record->tag, ret_type) && record->tag != TAG_CONTENT)
		return false;
	return record->version <= ret_type->version;
}

static int skip_unknown(struct image *image, const struct record *record, struct err *err)
{
	if (record->flags & RECORD_REQUIRED)
		return err_set(err, ERR_REFUSED,
			       "unknown record %s, version %u: made by a newer ctckpt",
			       tag_text(record->tag).text, (unsigned int)record->version);
	log_info("record %s %" PRIu32 " is unknown and left out", tag_text(record->tag).text,
		 record->id);
	image->skipped_count++;
	return 0;
}

/* Each record for itself. Drops unknown optional ones. */
static int check_records(struct image *image, struct err *err)
{
	uint64_t content = 0;
	size_t kept = 0;

	for (size_t i = 0; i < image->record_count; i++) {
		struct record record = image->records[i];
		struct record_type type;
		int r;

		if (is_known(&record, &type)) {
			r = check_record(&record, &type, &content, err);
			image->records[kept++] = record;
		} else {
			r = skip_unknown(image, &record, err);
		}
		if (r < 0)
			return wrap_record(image, &record, err);
	}
	image->record_count = kept;
	if (content != image->pages_size)
		return err_set(err, ERR_DAMAGED,
			       "content of %" PRIu64 " bytes, page stream of %" PRIu64, content,
			       image->pages_size);
	return 0;
}

/* What a tag's records are together: each id once, and not too many tasks. */
static int check_index(const struct image *image, const struct image_limits *limits,
		       struct err *err)
{
	struct record_type type;
	size_t run = 0;

	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[image->index[i]];
		const struct record *last = i > 0 ? &image->records[image->index[i - 1]] : NULL;

		if (last && last->tag == record->tag && last->id == record->id) {
			(void)err_set(err, ERR_DAMAGED, "there are two of it");
			return wrap_record(image, record, err);
		}
		run = last && last->tag == record->tag ? run + 1 : 1;
		if (run > limits->tasks && record_type_find(record->tag, &type) && type.is_task)
			return check_limit("tasks", run, limits->tasks, err);
	}
	return 0;
}

static int check_links(const struct image *image, struct err *err)
{
	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		struct record_type type;

		if (!record_type_find(record->tag, &type) || !type.link)
			continue;
		if (type.link(image, record, err) < 0)
			return wrap_record(image, record, err);
	}
	return 0;
}

static int take_metadata(struct image *image, const struct image_limits *limits, struct err *err)
{
	int r = take_records(image, limits, err);

	if (r < 0)
		return r;
	r = check_records(image, err);
	if (r < 0)
		return r;
	image_make_index(image);
	r = check_index(image, limits, err);
	if (r < 0)
		return r;
	return check_links(image, err);
}

/* ---- sources ---- */

static int check_padding(const void *data, size_t size, struct err *err)
{
	if (!image_is_zero(data, size))
		return err_set(err, ERR_DAMAGED, "bytes between metadata and pages are not zero");
	return 0;
}

static int read_metadata(struct image *image, struct io *io, const struct image_header *header,
			 struct err *err)
{
	size_t capacity = sizeof(*header);
	size_t filled = sizeof(*header);
	char padding[IMAGE_PAGE];
	size_t padding_size = image->pages_offset - image->metadata_size;
	int r;

	image->metadata = mem_copy(header, sizeof(*header));
	while (filled < image->metadata_size) {
		capacity = capacity < FIRST_PIECE ? FIRST_PIECE : 2 * capacity;
		if (capacity > image->metadata_size)
			capacity = image->metadata_size;
		image->metadata = mem_resize(image->metadata, capacity, 1);
		r = io_read(io, (char *)image->metadata + filled, capacity - filled, err);
		if (r < 0)
			return r;
		filled = capacity;
	}
	r = io_read(io, padding, padding_size, err);
	if (r < 0)
		return r;
	return check_padding(padding, padding_size, err);
}

/* Only a file can be sought in; a directory or device is no image. */
static int check_source(int fd, bool *ret_is_seekable, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "read image");
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "read image");
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return err_set(err, ERR_FAILED, "read image: neither a file nor a pipe");
	if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) != 0)
		return err_set(err, -ESPIPE, "read image: the file is not at its start");
	*ret_is_seekable = S_ISREG(st.st_mode);
	return 0;
}

int image_read(int fd, const struct image_limits *limits, struct image **ret_image, struct err *err)
{
	auto_image struct image *image = image_new(fd);
	struct io io = { .fd = fd };
	struct image_header header;
	int r = check_source(fd, &image->is_seekable, err);

	if (r < 0)
		return r;
	r = io_read(&io, &header, sizeof(header), err);
	if (r < 0)
		return r;
	r = take_header(image, &header, limits, err);
	if (r < 0)
		return r;
	r = read_metadata(image, &io, &header, err);
	if (r < 0)
		return r;
	r = take_metadata(image, limits, err);
	if (r < 0)
		return r;
	*ret_image = take_ptr(image);
	return 0;
}

int image_parse(const void *data, size_t size, const struct image_limits *limits,
		struct image **ret_image, struct err *err)
{
	auto_image struct image *image = image_new(-1);
	struct image_header header;
	int r;

	if (size < sizeof(header))
		return err_set(err, ERR_DAMAGED, "image is cut off at offset %zu", size);
	memcpy(&header, data, sizeof(header));
	r = take_header(image, &header, limits, err);
	if (r < 0)
		return r;
	if (size < image->metadata_size)
		return err_set(err, ERR_DAMAGED, "image is cut off at offset %zu", size);
	if (size > image->pages_offset)
		size = image->pages_offset;
	r = check_padding((const char *)data + image->metadata_size, size - image->metadata_size,
			  err);
	if (r < 0)
		return r;
	image->metadata = mem_copy(data, image->metadata_size);
	r = take_metadata(image, limits, err);
	if (r < 0)
		return r;
	*ret_image = take_ptr(image);
	return 0;
}
