/* Header and records of an image in memory: every byte is an enemy's until its checks are through.
 * First the checksums of everything, then the records' own checks, then the links. */
#include "image/metadata.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/log.h"
#include "image/checksum.h"
#include "image/find.h"
#include "image/limits.h"
#include "image/record_type.h"

/* "record EVFD 7 at offset 4712: " in front of an error. */
static int wrap_record(const struct image *image, const struct record *record, struct err *err)
{
	const char *start = (const char *)record->body - sizeof(struct record_header);

	return err_wrap(err, "record %s %" PRIu32 " at offset %td", tag_text(record->tag).text,
			record->id, start - (const char *)image->metadata);
}

/* ---- header ---- */

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
	r = image_limit_check(limits, LIMIT_METADATA, metadata, err);
	if (r < 0)
		return r;
	return image_limit_check(limits, LIMIT_PAGES, le64_get(header->pages_size), err);
}

int metadata_take_header(struct image *image, const struct image_header *header, struct err *err)
{
	int r = check_header(header, &image->limits, err);

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

static int take_records(struct image *image, struct err *err)
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
		r = image_limit_check(&image->limits, LIMIT_RECORDS, image->record_count + 1, err);
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

/* What the records that were checked have in all. */
struct totals {
	uint64_t content; /* bytes */
	struct image_counts counts;
};

static int check_counts(const struct image_limits *limits, const struct image_counts *counts,
			struct err *err)
{
	int r = image_limit_check(limits, LIMIT_MAPPINGS, counts->mappings, err);

	if (r < 0)
		return r;
	return image_limit_check(limits, LIMIT_DESCRIPTORS, counts->descriptors, err);
}

static int check_record(const struct image *image, const struct record *record,
			const struct record_type *type, struct totals *totals, struct err *err)
{
	int r = 0;

	if (record->tag == TAG_CONTENT)
		r = check_content(record, &totals->content, err);
	if (r == 0 && type->check)
		r = type->check(record->body, record->length, err);
	if (r < 0 || !type->count)
		return r;
	type->count(record->body, record->length, &totals->counts);
	return check_counts(&image->limits, &totals->counts, err);
}

static bool is_known(const struct record *record, struct record_type *ret_type)
{
	*ret_type = (struct record_type){ .version = 1, .counts_as = LIMIT_COUNT };
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
	struct totals totals = { .content = 0 };
	size_t kept = 0;

	for (size_t i = 0; i < image->record_count; i++) {
		struct record record = image->records[i];
		struct record_type type;
		int r;

		if (is_known(&record, &type)) {
			r = check_record(image, &record, &type, &totals, err);
			image->records[kept++] = record;
		} else {
			r = skip_unknown(image, &record, err);
		}
		if (r < 0)
			return wrap_record(image, &record, err);
	}
	image->record_count = kept;
	if (totals.content != image->pages_size)
		return err_set(err, ERR_DAMAGED,
			       "content of %" PRIu64 " bytes, page stream of %" PRIu64,
			       totals.content, image->pages_size);
	return 0;
}

/* What a tag's records are together: each id once, and not too many of what it stands for. */
static int check_index(const struct image *image, struct err *err)
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
		if (i + 1 < image->record_count &&
		    image->records[image->index[i + 1]].tag == record->tag)
			continue;
		if (record_type_find(record->tag, &type) && type.counts_as < LIMIT_COUNT) {
			int r = image_limit_check(&image->limits, type.counts_as, run, err);

			if (r < 0)
				return r;
		}
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

int metadata_take_records(struct image *image, struct err *err)
{
	int r = take_records(image, err);

	if (r < 0)
		return r;
	r = check_records(image, err);
	if (r < 0)
		return r;
	image_make_index(image);
	r = check_index(image, err);
	if (r < 0)
		return r;
	return check_links(image, err);
}
