/* Images to begin with: records of all kinds, with random bodies. */
#pragma once

#include <sys/mman.h>

#include "fuzz.h"
#include "image/image.h"
#include "kind/kind.h"

static inline void fuzz_add_records(struct image_writer *writer, uint64_t *random)
{
	size_t count = 0;

	while (kinds[count])
		count++;
	for (uint64_t i = fuzz_random(random) % 12; count > 0 && i > 0; i--) {
		const struct kind *kind = kinds[fuzz_random(random) % count];
		uint64_t body[32] = { 0 };

		for (uint64_t k = fuzz_random(random) % 8; k > 0; k--)
			body[fuzz_random(random) % 32] = fuzz_value(random);
		image_writer_add(writer, kind->tag, kind->version ? kind->version : 1,
				 RECORD_REQUIRED, (uint32_t)(fuzz_random(random) % 8), body,
				 fuzz_random(random) % 65 * 4);
	}
}

/* Returns the size of its page stream. */
static inline uint64_t fuzz_add_content(struct image_writer *writer, uint64_t *random)
{
	struct image_extent_rec extents[4];
	uint64_t count = fuzz_random(random) % 5;
	uint64_t start = 0;
	uint64_t total = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t length = IMAGE_PAGE * (1 + fuzz_random(random) % 3);

		start += IMAGE_PAGE * (fuzz_random(random) % 3);
		extents[i].start = le64_make(start);
		extents[i].length = le64_make(length);
		start += length;
		total += length;
	}
	image_writer_add(writer, TAG_CONTENT, 1, RECORD_REQUIRED, 99, extents,
			 count * sizeof(*extents));
	return total;
}

static inline void fuzz_image(uint64_t *random, enum image_compression compression,
			      bool has_records, struct buf *seed)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct image_writer *writer = image_writer_new(fd, compression, 1);
	struct err err = ERR_NONE;
	char page[IMAGE_PAGE];
	uint64_t pages, offset, size;

	if (has_records)
		fuzz_add_records(writer, random);
	pages = fuzz_add_content(writer, random);
	memset(page, (int)(fuzz_random(random) % 256), sizeof(page));
	if (image_writer_begin(writer, &offset, &err) < 0)
		abort();
	for (; pages > 0; pages -= sizeof(page))
		if (image_writer_pages(writer, page, sizeof(page), &err) < 0)
			abort();
	if (image_writer_end(writer, &size, &err) < 0)
		abort();
	image_writer_free(writer);
	if (pread(fd, buf_append(seed, NULL, size), size, 0) != (ssize_t)size)
		abort();
	(void)close(fd);
}
