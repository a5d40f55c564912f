/* Images altered record by record: what passes the checks of each record, but is no longer true of
 * the others. Checksums are mended where the image is read. */
#pragma once

#include "fuzz.h"
#include "records.h"

static inline struct edited_record *alter_choose(const struct edited_image *image, uint64_t *random)
{
	return &image->records[fuzz_random(random) % image->count];
}

/* A word of a body: another value, one near it, or a word of another record, as an id may be. */
static inline void alter_word(const struct edited_image *image, uint64_t *random)
{
	const struct edited_record *record = alter_choose(image, random);
	const struct edited_record *other = alter_choose(image, random);
	size_t words = le32_get(record->header.length) / 4;
	size_t others = le32_get(other->header.length) / 4;
	le32 *word = (le32 *)record->body + (words > 0 ? fuzz_random(random) % words : 0);

	if (words == 0)
		return;
	switch (fuzz_random(random) % 4) {
	case 0:
		*word = le32_make((uint32_t)fuzz_value(random));
		break;
	case 1:
		*word = le32_make(le32_get(*word) + (uint32_t)(fuzz_random(random) % 5) - 2);
		break;
	case 2:
		*word = le32_make(le32_get(*word) ^ 1u << fuzz_random(random) % 32);
		break;
	case 3:
		if (others > 0)
			*word = ((le32 *)other->body)[fuzz_random(random) % others];
		break;
	}
}

/* Another object's, or another kind's. */
static inline void alter_rename(const struct edited_image *image, uint64_t *random)
{
	struct edited_record *record = alter_choose(image, random);
	const struct edited_record *other = alter_choose(image, random);

	if (fuzz_random(random) % 4 == 0)
		record->header.tag = other->header.tag;
	else
		record->header.id = other->header.id;
}

/* One of them twice, under another id. */
static inline void alter_double(struct edited_image *image, uint64_t *random)
{
	size_t at = fuzz_random(random) % image->count;
	struct record_header header = image->records[at].header;

	header.id = le32_make(le32_get(header.id) + 1 + (uint32_t)(fuzz_random(random) % 64));
	edited_insert(image, at + 1, &header, image->records[at].body);
}

static inline void alter_any(struct edited_image *image, uint64_t *random)
{
	switch (fuzz_random(random) % 12) {
	case 0:
		alter_choose(image, random)->is_left_out = true;
		break;
	case 1:
		alter_double(image, random);
		break;
	case 2:
		alter_rename(image, random);
		break;
	default:
		alter_word(image, random);
		break;
	}
}

/* Bytes of the metadata that these records come from. */
static inline size_t alter_end(const struct edited_image *image)
{
	size_t end = sizeof(struct image_header) + sizeof(struct record_header) +
		     sizeof(struct image_metadata_end);

	for (size_t i = 0; i < image->count; i++)
		end += sizeof(struct record_header) +
		       image_align(le32_get(image->records[i].header.length), IMAGE_ALIGN);
	return end;
}

/* Returns the new size; 0 if there are no records to alter, or no room for what would come of it.
 */
static inline size_t alter_records(uint8_t *data, size_t size, size_t max_size, uint64_t *random)
{
	auto_edited struct edited_image image = EDITED_IMAGE_NONE;
	auto_buf struct buf altered = BUF_EMPTY;
	size_t end;

	if (!edited_take(&image, data, size) || image.count == 0)
		return 0;
	end = alter_end(&image);
	if (end > size)
		return 0;
	alter_any(&image, random);
	edited_make(&image, &altered);
	(void)buf_append(&altered, data + end, size - end);
	if (altered.size > max_size)
		return 0;
	memcpy(data, altered.data, altered.size);
	return altered.size;
}
