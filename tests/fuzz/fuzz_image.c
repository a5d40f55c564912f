/* Metadata of any bytes, with their checksums mended: so that the fuzzer gets behind them. */
#define FUZZ_ALTERS
#include "images.h"

#include "alter.h"
#include "image/mend.h"

/* Every record must be found by its tag and id, and met in the order of the file. */
static void look_at(const struct image *image)
{
	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		const struct record *next = image_next(image, record->tag, record);

		if (image_find(image, record->tag, record->id) != record)
			abort();
		if (next && (next <= record || next->tag != record->tag))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;
	void *copy = fuzz_copy(data, size);
	int r;

	image_mend(copy, size);
	r = image_parse(copy, size, &image_default_limits, &image, &err);
	free(copy);
	if (r == 0)
		look_at(image);
	else if ((r != ERR_DAMAGED && r != ERR_REFUSED) || err.text[0] == '\0')
		abort();
	return 0;
}

static void fuzz_seed(uint64_t *random, struct buf *seed)
{
	fuzz_image(random, IMAGE_PLAIN, true, seed);
}

static size_t fuzz_alter(uint64_t *random, uint8_t *data, size_t size, size_t max_size)
{
	return alter_records(data, size, max_size, random);
}
