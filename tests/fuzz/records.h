/* An image as a list of records that can be altered, and made into metadata again. For hostile
 * images: see tests/hostile.
 *
 * An edit is one word:
 *   TAG.N+OFFSET:BYTES=VALUE  in the body of the Nth record (from 0) with this tag
 *   TAG.N~LENGTH              its body becomes so long; what is added is zero
 *   TAG.N@ID                  it gets this id
 *   TAG.N<OFFSET:COUNT        so many zero bytes come in there
 *   TAG.N#OFFSET:COUNT=BYTE   so many bytes there become this one
 *   TAG.N%OFFSET:SIZE*COUNT   so many copies of the bytes there come in behind them
 *   TAG.N!OTHER               it gets this tag
 *   TAG.N^                    it moves to the front of all
 *   TAG.N-                    it is left out
 *   TAG.N*                    there is another one like it, right behind it */
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "image/format.h"
#include "image/image.h"
#include "image/mend.h"

struct edited_record {
	struct record_header header;
	unsigned char *body; /* owned */
	bool is_left_out;
};

struct edited_image {
	struct image_header header;
	struct edited_record *records; /* owned */
	size_t count;
};

#define EDITED_IMAGE_NONE ((struct edited_image){ .count = 0 })
#define EDITED_SOUND	  "nothing" /* what a case has in place of a refusal */
#define EDITED_LENGTH_MAX (1u << 26)

static inline void edited_free(struct edited_image *image)
{
	for (size_t i = 0; i < image->count; i++)
		free(image->records[i].body);
	free(image->records);
	*image = EDITED_IMAGE_NONE;
}
#define auto_edited __attribute__((cleanup(edited_free)))

static inline void edited_insert(struct edited_image *image, size_t at,
				 const struct record_header *header, const void *body)
{
	array_grow(image->records, image->count);
	memmove(image->records + at + 1, image->records + at,
		(image->count - at) * sizeof(*image->records));
	image->records[at] = (struct edited_record){
		.header = *header,
		.body = mem_copy(body, le32_get(header->length)),
	};
	image->count++;
}

/* Of bytes that begin with whole metadata. */
static inline bool edited_take(struct edited_image *image, const unsigned char *data, size_t size)
{
	size_t at = sizeof(image->header);

	if (size < at)
		return false;
	memcpy(&image->header, data, at);
	while (size - at >= sizeof(struct record_header)) {
		struct record_header header;
		size_t length;

		memcpy(&header, data + at, sizeof(header));
		length = le32_get(header.length);
		if (le32_get(header.tag) == TAG_METADATA_END)
			return true;
		if (size - at - sizeof(header) < image_align(length, IMAGE_ALIGN))
			return false;
		edited_insert(image, image->count, &header, data + at + sizeof(header));
		at += sizeof(header) + image_align(length, IMAGE_ALIGN);
	}
	return false;
}

static inline void edited_copy(struct edited_image *image, const struct edited_image *from)
{
	*image = (struct edited_image){ .header = from->header };
	for (size_t i = 0; i < from->count; i++)
		edited_insert(image, i, &from->records[i].header, from->records[i].body);
}

/* Metadata with its sizes, counts and checksums right. */
static inline void edited_make(const struct edited_image *image, struct buf *out)
{
	struct record_header last = {
		.tag = le32_make(TAG_METADATA_END),
		.version = le16_make(1),
		.flags = le16_make(RECORD_REQUIRED),
		.length = le32_make(sizeof(struct image_metadata_end)),
	};
	struct image_metadata_end end = { .record_count = le64_make(0) };
	struct image_header *header;
	uint64_t count = 0;

	(void)buf_append(out, &image->header, sizeof(image->header));
	for (size_t i = 0; i < image->count; i++) {
		const struct edited_record *record = &image->records[i];
		size_t length = le32_get(record->header.length);

		if (record->is_left_out)
			continue;
		(void)buf_append(out, &record->header, sizeof(record->header));
		(void)buf_append(out, record->body, length);
		(void)buf_append(out, NULL, image_align(length, IMAGE_ALIGN) - length);
		count++;
	}
	end.record_count = le64_make(count);
	(void)buf_append(out, &last, sizeof(last));
	(void)buf_append(out, &end, sizeof(end));
	header = (void *)out->data;
	header->metadata_size = le64_make(out->size);
	image_mend(out->data, out->size);
}

/* ---- edits ---- */

static inline size_t edited_find(const struct edited_image *image, const char *tag, size_t number)
{
	for (size_t i = 0; i < image->count; i++) {
		if (memcmp(&image->records[i].header.tag, tag, 4) == 0 && number-- == 0)
			return i;
	}
	return SIZE_MAX;
}

static inline void edited_resize(struct edited_record *record, uint32_t length)
{
	uint32_t old = le32_get(record->header.length);

	record->body = mem_resize(record->body, length ? length : 1, 1);
	if (length > old)
		memset(record->body + old, 0, length - old);
	record->header.length = le32_make(length);
}

static inline bool edited_set(struct edited_record *record, const char *edit)
{
	size_t offset, size;
	uint64_t value;

	if (sscanf(edit, "+%zu:%zu=%" SCNu64, &offset, &size, &value) != 3 ||
	    size > sizeof(value) || offset > le32_get(record->header.length) ||
	    size > le32_get(record->header.length) - offset)
		return false;
	memcpy(record->body + offset, &value, size);
	return true;
}

static inline bool edited_widen(struct edited_record *record, const char *edit)
{
	uint32_t length = le32_get(record->header.length);
	uint32_t offset, count;

	if (sscanf(edit, "<%" SCNu32 ":%" SCNu32, &offset, &count) != 2 || offset > length ||
	    count > EDITED_LENGTH_MAX)
		return false;
	edited_resize(record, length + count);
	memmove(record->body + offset + count, record->body + offset, length - offset);
	memset(record->body + offset, 0, count);
	return true;
}

static inline bool edited_fill(struct edited_record *record, const char *edit)
{
	uint32_t length = le32_get(record->header.length);
	uint32_t offset, count, byte;

	if (sscanf(edit, "#%" SCNu32 ":%" SCNu32 "=%" SCNu32, &offset, &count, &byte) != 3 ||
	    offset > length || count > length - offset)
		return false;
	memset(record->body + offset, (int)byte, count);
	return true;
}

static inline bool edited_repeat(struct edited_record *record, const char *edit)
{
	uint32_t length = le32_get(record->header.length);
	uint32_t offset, size, count;
	unsigned char *end;

	if (sscanf(edit, "%%%" SCNu32 ":%" SCNu32 "*%" SCNu32, &offset, &size, &count) != 3 ||
	    offset > length || size > length - offset || size * (uint64_t)count > EDITED_LENGTH_MAX)
		return false;
	edited_resize(record, length + size * count);
	end = record->body + offset + size;
	memmove(end + (size_t)size * count, end, length - offset - size);
	for (; count > 0; count--, end += size)
		memcpy(end, record->body + offset, size);
	return true;
}

static inline void edited_move_first(struct edited_image *image, size_t at)
{
	struct edited_record record = image->records[at];

	memmove(image->records + 1, image->records, at * sizeof(record));
	image->records[0] = record;
}

static inline bool edited_apply(struct edited_image *image, const char *edit)
{
	size_t number = 0, at;
	char tag[5];
	int used = 0;
	unsigned long value;

	if (sscanf(edit, "%4[A-Z].%zu%n", tag, &number, &used) != 2)
		return false;
	at = edited_find(image, tag, number);
	if (at == SIZE_MAX)
		return false;
	edit += used;
	value = strtoul(edit + 1, NULL, 10);
	switch (*edit) {
	case '+':
		return edited_set(&image->records[at], edit);
	case '<':
		return edited_widen(&image->records[at], edit);
	case '#':
		return edited_fill(&image->records[at], edit);
	case '!':
		if (strlen(edit) != 5)
			return false;
		memcpy(&image->records[at].header.tag, edit + 1, 4);
		return true;
	case '%':
		return edited_repeat(&image->records[at], edit);
	case '^':
		edited_move_first(image, at);
		return true;
	case '~':
		if (value <= EDITED_LENGTH_MAX)
			edited_resize(&image->records[at], (uint32_t)value);
		return value <= EDITED_LENGTH_MAX;
	case '@':
		image->records[at].header.id = le32_make((uint32_t)value);
		return true;
	case '-':
		image->records[at].is_left_out = true;
		return true;
	case '*':
		edited_insert(image, at + 1, &image->records[at].header, image->records[at].body);
		return true;
	default:
		return false;
	}
}

/* Several, between spaces. */
static inline bool edited_apply_all(struct edited_image *image, const char *edits)
{
	auto_free char *text = mem_string(edits);
	char *rest = NULL;

	for (char *edit = strtok_r(text, " ", &rest); edit; edit = strtok_r(NULL, " ", &rest)) {
		if (!edited_apply(image, edit))
			return false;
	}
	return true;
}

/* What the reader makes of it; it needs `data`, which is owned by the caller. */
static inline int edited_parse(const struct edited_image *image, struct buf *data,
			       struct image **ret_image, struct err *err)
{
	edited_make(image, data);
	return image_parse(data->data, data->size, &image_default_limits, ret_image, err);
}

/* What the reader says of it: "" if it takes it. */
static inline char *edited_verdict(const struct edited_image *image)
{
	auto_buf struct buf data = BUF_EMPTY;
	auto_image struct image *parsed = NULL;
	struct err err = ERR_NONE;

	if (edited_parse(image, &data, &parsed, &err) == 0)
		return mem_string("");
	return mem_string(err.text);
}

/* ---- files: one zstd frame of metadata ---- */

static inline bool edited_load(struct edited_image *image, const char *path)
{
	auto_fclose FILE *file = fopen(path, "re");
	auto_buf struct buf packed = BUF_EMPTY;
	auto_free unsigned char *data = NULL;
	char piece[65536];
	unsigned long long size;
	size_t got;

	while (file && (got = fread(piece, 1, sizeof(piece), file)) > 0)
		(void)buf_append(&packed, piece, got);
	size = packed.size ? ZSTD_getFrameContentSize(packed.data, packed.size) : 0;
	if (size == 0 || size > EDITED_LENGTH_MAX)
		return false;
	data = mem_alloc(1, size);
	return ZSTD_decompress(data, size, packed.data, packed.size) == size &&
	       edited_take(image, data, size);
}

static inline bool edited_save(const struct edited_image *image, const char *path)
{
	auto_fclose FILE *file = fopen(path, "we");
	auto_buf struct buf data = BUF_EMPTY;
	auto_free char *packed = NULL;
	size_t size;

	edited_make(image, &data);
	packed = mem_alloc(1, ZSTD_compressBound(data.size));
	size = ZSTD_compress(packed, ZSTD_compressBound(data.size), data.data, data.size, 19);
	return file && !ZSTD_isError(size) && fwrite(packed, 1, size, file) == size;
}
