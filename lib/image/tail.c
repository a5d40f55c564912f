/* Index and trailer: what proves that an image is whole. */
#include "image/tail.h"

#include <inttypes.h>

#include "image/checksum.h"

size_t image_tail_size(uint64_t block_count)
{
	return sizeof(struct image_index) + block_count * sizeof(struct image_index_entry) +
	       sizeof(struct image_trailer);
}

struct image_tail image_tail_expected(const struct image *image, uint64_t image_size)
{
	return (struct image_tail){
		.record_count = image->record_count + image->skipped_count,
		.block_count = image_block_count(image->pages_size),
		.pages_size = image->pages_size,
		.image_size = image_size,
		.metadata_checksum = image->metadata_checksum,
	};
}

static size_t index_size(uint64_t block_count)
{
	return image_tail_size(block_count) - sizeof(struct image_trailer);
}

void *image_tail_make(const struct image_tail *tail, const uint64_t *checksums)
{
	struct image_index *index = mem_alloc(image_tail_size(tail->block_count), 1);
	struct image_index_entry *entries = (struct image_index_entry *)(index + 1);
	struct image_trailer *trailer =
	    (struct image_trailer *)((char *)index + index_size(tail->block_count));

	index->tag = le32_make(TAG_INDEX);
	index->block_count = le64_make(tail->block_count);
	for (uint64_t i = 0; i < tail->block_count; i++)
		entries[i].checksum = le64_make(checksums[i]);
	index->checksum = le64_make(image_index_checksum(index, tail->block_count));

	memcpy(trailer->magic, IMAGE_TRAILER_MAGIC, IMAGE_MAGIC_SIZE);
	trailer->record_count = le64_make(tail->record_count);
	trailer->block_count = le64_make(tail->block_count);
	trailer->pages_size = le64_make(tail->pages_size);
	trailer->image_size = le64_make(tail->image_size);
	trailer->content_checksum =
	    le64_make(image_content_checksum(tail->metadata_checksum, index, tail->block_count));
	trailer->checksum = le64_make(checksum(trailer, offsetof(struct image_trailer, checksum)));
	return index;
}

static int check_index(const struct image_index *index, uint64_t block_count, struct err *err)
{
	if (le32_get(index->tag) != TAG_INDEX || le32_get(index->reserved) != 0 ||
	    le64_get(index->block_count) != block_count)
		return err_set(err, ERR_DAMAGED, "index of pages: malformed");
	if (le64_get(index->checksum) != image_index_checksum(index, block_count))
		return err_set(err, ERR_DAMAGED, "index of pages: wrong checksum");
	return 0;
}

int image_tail_check(const void *bytes, const struct image_tail *expected, struct err *err)
{
	const struct image_index *index = bytes;
	const struct image_trailer *trailer =
	    (const struct image_trailer *)((const char *)bytes + index_size(expected->block_count));
	int r;

	if (memcmp(trailer->magic, IMAGE_TRAILER_MAGIC, IMAGE_MAGIC_SIZE) != 0)
		return err_set(err, ERR_DAMAGED, "image has no end: cut off, or not finished");
	if (le64_get(trailer->checksum) !=
	    checksum(trailer, offsetof(struct image_trailer, checksum)))
		return err_set(err, ERR_DAMAGED, "end of image: wrong checksum");
	if (le64_get(trailer->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "end of image: unknown bits");
	if (le64_get(trailer->record_count) != expected->record_count ||
	    le64_get(trailer->block_count) != expected->block_count ||
	    le64_get(trailer->pages_size) != expected->pages_size ||
	    le64_get(trailer->image_size) != expected->image_size)
		return err_set(err, ERR_DAMAGED, "end of image: counts do not agree");
	r = check_index(index, expected->block_count, err);
	if (r < 0)
		return r;
	if (le64_get(trailer->content_checksum) !=
	    image_content_checksum(expected->metadata_checksum, index, expected->block_count))
		return err_set(err, ERR_DAMAGED, "end of image: wrong checksum of the whole");
	return 0;
}

int image_tail_check_block(const void *bytes, uint64_t number, uint64_t sum, struct err *err)
{
	const struct image_index *index = bytes;
	const struct image_index_entry *entries = (const struct image_index_entry *)(index + 1);

	if (le64_get(entries[number].checksum) == sum)
		return 0;
	return err_set(err, ERR_DAMAGED, "pages: wrong checksum of block %" PRIu64, number);
}
