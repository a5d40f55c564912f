/* The end of an image, as one piece: index header, entries, trailer. Private to lib/image. */
#pragma once

#include "image/format.h"

/* Bytes of the tail of an image with so many blocks. */
size_t image_tail_size(uint64_t block_count);
/* What stands in it. */
struct image_tail {
	uint64_t record_count;
	uint64_t block_count;
	uint64_t pages_size;
	uint64_t image_size;
	uint64_t metadata_checksum;
};
/* What must stand in the tail of this image, which has `image_size` bytes in all. */
struct image_tail image_tail_expected(const struct image *image, uint64_t image_size);
/* The tail of an image whose blocks have these checksums. Owned by the caller. */
void *image_tail_make(const struct image_tail *tail, const uint64_t *checksums);
/* Checks every byte of a tail of image_tail_size() bytes. */
int image_tail_check(const void *bytes, const struct image_tail *expected, struct err *err);
/* Is this the checksum of block `number`? */
int image_tail_check_block(const void *bytes, uint64_t number, uint64_t sum, struct err *err);
