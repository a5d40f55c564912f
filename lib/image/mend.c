/* Mending of altered images. See mend.h. */
#include "image/mend.h"

#include "image/checksum.h"
#include "image/tail.h"

static void mend_header(struct image_header *header)
{
	header->checksum = le64_make(checksum(header, offsetof(struct image_header, checksum)));
}

/* Returns META_END's checksum; 0 if it is not found. */
static uint64_t mend_records(char *data, size_t size)
{
	size_t offset = sizeof(struct image_header);

	while (size - offset >= sizeof(struct record_header)) {
		struct record_header *header = (struct record_header *)(data + offset);
		size_t length = le32_get(header->length);
		struct image_metadata_end *end = NULL;

		if (size - offset - sizeof(*header) < image_align(length, IMAGE_ALIGN))
			return 0;
		if (le32_get(header->tag) == TAG_METADATA_END && length == sizeof(*end)) {
			end = (struct image_metadata_end *)(header + 1);
			end->checksum = le64_make(checksum(data, offset));
		}
		header->checksum = le64_make(image_record_checksum(header, header + 1));
		if (end)
			return le64_get(end->checksum);
		offset += sizeof(*header) + image_align(length, IMAGE_ALIGN);
	}
	return 0;
}

static void mend_packed_blocks(char *pages, size_t size)
{
	size_t offset = 0;

	while (size - offset >= sizeof(struct image_block)) {
		struct image_block *block = (struct image_block *)(pages + offset);
		size_t stored = image_align(le32_get(block->stored_length), IMAGE_ALIGN);

		if (size - offset - sizeof(*block) < stored)
			return;
		block->checksum = le64_make(image_block_checksum(block, block + 1));
		offset += sizeof(*block) + stored;
	}
}

static void mend_entries(const char *pages, size_t size, struct image_index_entry *entries,
			 uint64_t count)
{
	for (uint64_t i = 0; i < count && i < image_block_count(size); i++)
		entries[i].checksum =
		    le64_make(checksum(pages + i * IMAGE_BLOCK, image_block_length(size, i)));
}

static void mend_tail(char *data, size_t size, size_t pages_offset, uint64_t metadata_checksum)
{
	const struct image_header *header = (const struct image_header *)data;
	struct image_trailer *trailer;
	struct image_index *index;
	uint64_t count;
	size_t pages;

	if (size - pages_offset < image_tail_size(0))
		return;
	trailer = (struct image_trailer *)(data + size - sizeof(*trailer));
	if (memcmp(trailer->magic, IMAGE_TRAILER_MAGIC, IMAGE_MAGIC_SIZE) != 0)
		return;
	count = le64_get(trailer->block_count);
	if (count > (size - pages_offset - image_tail_size(0)) / sizeof(struct image_index_entry))
		return;
	pages = size - pages_offset - image_tail_size(count);
	index = (struct image_index *)(data + pages_offset + pages);
	if (le32_get(header->compression) == IMAGE_PLAIN)
		mend_entries(data + pages_offset, pages, (struct image_index_entry *)(index + 1),
			     count);
	else
		mend_packed_blocks(data + pages_offset, pages);
	index->checksum = le64_make(image_index_checksum(index, count));
	trailer->content_checksum =
	    le64_make(image_content_checksum(metadata_checksum, index, count));
	trailer->checksum = le64_make(checksum(trailer, offsetof(struct image_trailer, checksum)));
}

void image_mend(void *data, size_t size)
{
	struct image_header *header = data;
	uint64_t metadata_checksum;
	uint64_t metadata_size;

	if (size < sizeof(*header))
		return;
	mend_header(header);
	metadata_size = le64_get(header->metadata_size);
	if (metadata_size < sizeof(*header))
		return;
	/* Behind them are zeros, which must stay. */
	metadata_checksum = mend_records(data, metadata_size < size ? metadata_size : size);
	/* What stands behind the pages is found from the end, which is aligned. */
	if (metadata_size > size || size % IMAGE_ALIGN != 0)
		return;
	if (image_align(metadata_size, IMAGE_PAGE) <= size)
		mend_tail(data, size, image_align(metadata_size, IMAGE_PAGE), metadata_checksum);
}
