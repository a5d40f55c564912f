/* What readers and writers of an image's bytes share. */
#include "image/format.h"

#include <unistd.h>

#include "image/checksum.h"

bool image_begins(int fd)
{
	char magic[IMAGE_MAGIC_SIZE];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, IMAGE_MAGIC, sizeof(magic)) == 0;
}

struct tag_text tag_text(uint32_t tag)
{
	struct tag_text text = { "" };

	for (size_t i = 0; i < 4; i++) {
		char c = (char)(tag >> 8 * i);

		text.text[i] = c > ' ' && c <= '~' ? c : '?';
	}
	return text;
}

static uint64_t checksum_pair(const void *a, size_t a_size, const void *b, size_t b_size)
{
	auto_checksum struct checksum_stream *sum = checksum_stream_new();

	checksum_stream_add(sum, a, a_size);
	checksum_stream_add(sum, b, b_size);
	return checksum_stream_take(sum);
}

uint64_t image_record_checksum(const struct record_header *header, const void *body)
{
	struct record_header copy = *header;

	copy.checksum = le64_make(0);
	return checksum_pair(&copy, sizeof(copy), body, le32_get(header->length));
}

uint64_t image_block_checksum(const struct image_block *header, const void *stored)
{
	return checksum_pair(header, offsetof(struct image_block, checksum), stored,
			     le32_get(header->stored_length));
}

uint64_t image_index_checksum(const struct image_index *index, uint64_t block_count)
{
	return checksum_pair(index, offsetof(struct image_index, checksum), index + 1,
			     block_count * sizeof(struct image_index_entry));
}

uint64_t image_content_checksum(uint64_t metadata_checksum, const struct image_index *index,
				uint64_t block_count)
{
	le64 metadata = le64_make(metadata_checksum);

	return checksum_pair(&metadata, sizeof(metadata), index,
			     sizeof(*index) + block_count * sizeof(struct image_index_entry));
}
