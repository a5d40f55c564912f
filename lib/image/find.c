/* Records by tag and id. */
#include "image/find.h"

#include <stdlib.h>

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_ids(const void *a, const void *b, void *records)
{
	const struct record *x = (const struct record *)records + *(const uint32_t *)a;
	const struct record *y = (const struct record *)records + *(const uint32_t *)b;
	int by_tag = compare(x->tag, y->tag);

	return by_tag ? by_tag : compare(x->id, y->id);
}

static int compare_places(const void *a, const void *b, void *records)
{
	const struct record *x = (const struct record *)records + *(const uint32_t *)a;
	const struct record *y = (const struct record *)records + *(const uint32_t *)b;
	int by_tag = compare(x->tag, y->tag);

	return by_tag ? by_tag : compare(*(const uint32_t *)a, *(const uint32_t *)b);
}

void image_make_index(struct image *image)
{
	size_t count = image->record_count;

	image->index = mem_alloc(count, sizeof(*image->index));
	image->order = mem_alloc(count, sizeof(*image->order));
	image->places = mem_alloc(count, sizeof(*image->places));
	for (size_t i = 0; i < count; i++)
		image->index[i] = image->order[i] = (uint32_t)i;
	qsort_r(image->index, count, sizeof(*image->index), compare_ids, image->records);
	qsort_r(image->order, count, sizeof(*image->order), compare_places, image->records);
	for (size_t i = 0; i < count; i++)
		image->places[image->order[i]] = (uint32_t)i;
}

/* Where the records with this tag, and this id at least, begin. In both orders, since both are by
 * tag first. */
static size_t first_place(const struct image *image, uint32_t tag, uint32_t id)
{
	size_t low = 0;
	size_t high = image->record_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct record *record = &image->records[image->index[middle]];

		if (record->tag < tag || (record->tag == tag && record->id < id))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct record *image_find(const struct image *image, uint32_t tag, uint32_t id)
{
	size_t place = first_place(image, tag, id);
	const struct record *record;

	if (place == image->record_count)
		return NULL;
	record = &image->records[image->index[place]];
	return record->tag == tag && record->id == id ? record : NULL;
}

const struct record *image_next(const struct image *image, uint32_t tag, const struct record *last)
{
	size_t place;

	assert(!last || last->tag == tag);
	if (last)
		place = image->places[last - image->records] + 1;
	else
		place = first_place(image, tag, 0);
	if (place >= image->record_count || image->records[image->order[place]].tag != tag)
		return NULL;
	return &image->records[image->order[place]];
}
