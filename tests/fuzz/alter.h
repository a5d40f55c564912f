/* Images altered record by record: what passes the checks of each record, but is no longer true of
 * the others. Checksums are mended where the image is read. */
#pragma once

#include "fuzz.h"
#include "image/format.h"

struct alter {
	uint8_t *data;
	size_t *offsets; /* owned: of the records' headers; META_END is the last */
	size_t count;
	size_t end; /* of META_END */
};

static inline size_t alter_record_size(const struct record_header *header)
{
	return sizeof(*header) + image_align(le32_get(header->length), IMAGE_ALIGN);
}

static inline struct record_header *alter_record_at(const struct alter *records, size_t number)
{
	return (struct record_header *)(records->data + records->offsets[number]);
}

/* False if the bytes are no records up to META_END. */
static inline bool alter_find(uint8_t *data, size_t size, struct alter *records)
{
	size_t offset = sizeof(struct image_header);

	*records = (struct alter){ .data = data };
	while (offset <= size && size - offset >= sizeof(struct record_header)) {
		const struct record_header *header = (const struct record_header *)(data + offset);

		if (size - offset < alter_record_size(header))
			break;
		array_grow(records->offsets, records->count);
		records->offsets[records->count++] = offset;
		offset += alter_record_size(header);
		records->end = offset;
		if (le32_get(header->tag) == TAG_METADATA_END)
			return le32_get(header->length) == sizeof(struct image_metadata_end);
	}
	return false;
}

/* A word of a body: another value, one near it, or a word of another record, as an id may be. */
static inline void alter_word(const struct alter *records, uint64_t *random)
{
	struct record_header *header =
	    alter_record_at(records, fuzz_random(random) % records->count);
	struct record_header *other =
	    alter_record_at(records, fuzz_random(random) % records->count);
	size_t words = le32_get(header->length) / 4;
	size_t others = le32_get(other->length) / 4;
	le32 *word = (le32 *)(header + 1) + (words > 0 ? fuzz_random(random) % words : 0);

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
			*word = ((le32 *)(other + 1))[fuzz_random(random) % others];
		break;
	}
}

/* Another object's, or another kind's. */
static inline void alter_rename(const struct alter *records, uint64_t *random)
{
	struct record_header *header =
	    alter_record_at(records, fuzz_random(random) % records->count);
	struct record_header *other =
	    alter_record_at(records, fuzz_random(random) % records->count);

	if (fuzz_random(random) % 4 == 0)
		header->tag = other->tag;
	else
		header->id = other->id;
}

static inline void alter_count(const struct alter *records, int64_t count, int64_t size)
{
	struct image_header *header = (struct image_header *)records->data;
	struct image_metadata_end *end =
	    (struct image_metadata_end *)(records->data + records->end + size) - 1;

	header->metadata_size = le64_make(records->end + (uint64_t)size);
	end->record_count = le64_make(le64_get(end->record_count) + (uint64_t)count);
}

/* Without one of them. Returns the new size. */
static inline size_t alter_remove(const struct alter *records, uint64_t *random, size_t size)
{
	size_t number = fuzz_random(random) % records->count;
	size_t gone = alter_record_size(alter_record_at(records, number));
	uint8_t *at = records->data + records->offsets[number];

	if (number + 1 == records->count)
		return size;
	memmove(at, at + gone, size - records->offsets[number] - gone);
	alter_count(records, -1, -(int64_t)gone);
	return size - gone;
}

/* One of them twice, under another id. Returns the new size. */
static inline size_t alter_double(const struct alter *records, uint64_t *random, size_t size,
				  size_t max_size)
{
	size_t number = fuzz_random(random) % records->count;
	struct record_header *header = alter_record_at(records, number);
	size_t more = alter_record_size(header);
	uint8_t *behind = (uint8_t *)header + more;

	if (number + 1 == records->count || max_size - size < more)
		return size;
	memmove(behind + more, behind, size - records->offsets[number] - more);
	memcpy(behind, header, more);
	header = (struct record_header *)behind;
	header->id = le32_make(le32_get(header->id) + 1 + (uint32_t)(fuzz_random(random) % 64));
	alter_count(records, 1, (int64_t)more);
	return size + more;
}

/* Returns the new size; 0 if there are no records to alter. */
static inline size_t alter_records(uint8_t *data, size_t size, size_t max_size, uint64_t *random)
{
	struct alter records;

	if (!alter_find(data, size, &records)) {
		free(records.offsets);
		return 0;
	}
	switch (fuzz_random(random) % 12) {
	case 0:
		size = alter_remove(&records, random, size);
		break;
	case 1:
		size = alter_double(&records, random, size, max_size);
		break;
	case 2:
		alter_rename(&records, random);
		break;
	default:
		alter_word(&records, random);
		break;
	}
	free(records.offsets);
	return size;
}
