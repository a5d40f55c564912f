/* Maps of user namespaces. See mapping.h. */
#include "policy/mapping.h"

#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "policy/lattice.h"

#define FULL_COUNT 65536u /* ids that a container expects to find */

/* What is left of the invoker's ranges while a map is made. */
struct supply {
	const struct id_range *ranges;
	size_t count;
	uint32_t taken; /* of ranges[0] */
};

void mapping_free(struct mapping *mapping)
{
	free(mapping->lines);
	*mapping = MAPPING_NONE;
}

static void add_line(struct mapping *mapping, uint32_t inside, uint32_t outside, uint32_t count)
{
	struct id_map *last = mapping->count ? &mapping->lines[mapping->count - 1] : NULL;

	if (last && last->inside + last->count == inside &&
	    last->outside + last->count == outside) {
		last->count += count;
		return;
	}
	array_grow(mapping->lines, mapping->count);
	mapping->lines[mapping->count++] = (struct id_map){ inside, outside, count };
}

void mapping_make_single(uint32_t main, uint32_t invoker, struct mapping *ret_mapping)
{
	*ret_mapping = MAPPING_NONE;
	add_line(ret_mapping, main, invoker, 1);
}

void mapping_make_identity(const struct id_range *own, size_t count, struct mapping *ret_mapping)
{
	*ret_mapping = MAPPING_NONE;
	for (size_t i = 0; i < count; i++)
		add_line(ret_mapping, own[i].first, own[i].first, own[i].count);
}

static int compare_lines(const void *a, const void *b)
{
	const struct id_map *one = a;
	const struct id_map *other = b;

	return one->inside < other->inside ? -1 : one->inside > other->inside;
}

void mapping_make_given(const struct id_map *lines, size_t count, struct mapping *ret_mapping)
{
	auto_free struct id_map *sorted = mem_copy(lines, count * sizeof(*lines));

	qsort(sorted, count, sizeof(*sorted), compare_lines);
	*ret_mapping = MAPPING_NONE;
	for (size_t i = 0; i < count; i++)
		add_line(ret_mapping, sorted[i].inside, sorted[i].outside, sorted[i].count);
}

/* Gives `count` ids from `inside` on their places, as far as the supply goes. */
static void add_ids(struct mapping *mapping, struct supply *supply, uint32_t inside, uint32_t count)
{
	while (count > 0 && supply->count > 0) {
		const struct id_range *range = supply->ranges;
		uint32_t left = range->count - supply->taken;
		uint32_t part = count < left ? count : left;

		if (part > 0)
			add_line(mapping, inside, range->first + supply->taken, part);
		inside += part;
		count -= part;
		supply->taken += part;
		if (supply->taken < range->count)
			continue;
		supply->ranges++;
		supply->count--;
		supply->taken = 0;
	}
}

/* The ids of first..first+count-1, `main` in its place among them. */
static void add_around(struct mapping *mapping, struct supply *supply, uint32_t first,
		       uint32_t count, uint32_t main, uint32_t invoker)
{
	if (main < first || main - first >= count) {
		add_ids(mapping, supply, first, count);
		return;
	}
	add_ids(mapping, supply, first, main - first);
	add_line(mapping, main, invoker, 1);
	add_ids(mapping, supply, main + 1, count - (main - first) - 1);
}

/* The full map, then ids in use above it. */
static void make_full(uint32_t main, uint32_t invoker, const uint32_t *used, size_t used_count,
		      struct supply supply, struct mapping *mapping)
{
	add_around(mapping, &supply, 0, FULL_COUNT, main, invoker);
	for (size_t i = 0; i < used_count; i++) {
		if (used[i] >= FULL_COUNT)
			add_around(mapping, &supply, used[i], 1, main, invoker);
	}
}

static void make_used(uint32_t main, uint32_t invoker, const uint32_t *used, size_t used_count,
		      struct supply supply, struct mapping *mapping)
{
	for (size_t i = 0; i < used_count; i++)
		add_around(mapping, &supply, used[i], 1, main, invoker);
}

static bool is_whole(const struct mapping *mapping, const uint32_t *used, size_t used_count)
{
	uint64_t size = 0;

	for (size_t i = 0; i < mapping->count; i++)
		size += mapping->lines[i].count;
	if (size < FULL_COUNT || mapping->count > MAPPING_LINES_MAX)
		return false;
	for (size_t i = 0; i < used_count; i++) {
		if (!mapping_has(mapping, used[i]))
			return false;
	}
	return true;
}

void mapping_make_ranges(uint32_t main, uint32_t invoker, const uint32_t *used, size_t used_count,
			 const struct id_range *ranges, size_t range_count,
			 struct mapping *ret_mapping)
{
	struct supply supply = { ranges, range_count, 0 };

	*ret_mapping = MAPPING_NONE;
	make_full(main, invoker, used, used_count, supply, ret_mapping);
	if (is_whole(ret_mapping, used, used_count))
		return;

	mapping_free(ret_mapping);
	make_used(main, invoker, used, used_count, supply, ret_mapping);
	if (ret_mapping->count == 0 || ret_mapping->count > MAPPING_LINES_MAX) {
		mapping_free(ret_mapping);
		mapping_make_single(main, invoker, ret_mapping);
	}
}

void mapping_make_lines(const struct id_lines *lines, uint32_t invoker,
			const struct id_range *ranges, size_t range_count,
			struct mapping *ret_mapping)
{
	struct supply supply = { ranges, range_count, 0 };

	*ret_mapping = MAPPING_NONE;
	for (size_t i = 0; i < lines->count; i++) {
		const struct id_line *line = &lines->list[i];

		if (line->is_invoker)
			add_line(ret_mapping, line->image, invoker, 1);
		else
			add_ids(ret_mapping, &supply, line->image, line->count);
	}
	if (ret_mapping->count > MAPPING_LINES_MAX)
		mapping_free(ret_mapping);
}

/* What a line of a map has in common with what a policy allows. */
static void add_common(struct mapping *mapping, const struct id_map *map,
		       const struct id_line *line, uint32_t invoker)
{
	uint64_t first = map->inside > line->image ? map->inside : line->image;
	uint64_t map_end = (uint64_t)map->inside + map->count;
	uint64_t line_end = (uint64_t)line->image + line->count;
	uint64_t end = map_end < line_end ? map_end : line_end;

	for (; first < end; first++) {
		uint32_t outside = map->outside + (uint32_t)(first - map->inside);
		uint64_t stop = end;

		/* The invoker's own id, and what is before and behind it. */
		if (outside == invoker)
			stop = first + 1;
		else if (outside < invoker && invoker - outside < end - first)
			stop = first + (invoker - outside);
		if ((outside == invoker) == line->is_invoker)
			add_line(mapping, (uint32_t)first, outside, (uint32_t)(stop - first));
		first = stop - 1;
	}
}

void mapping_narrow(struct mapping *mapping, const struct id_lines *lines, uint32_t invoker)
{
	struct mapping narrow = MAPPING_NONE;

	for (size_t i = 0; i < mapping->count; i++) {
		for (size_t j = 0; j < lines->count; j++)
			add_common(&narrow, &mapping->lines[i], &lines->list[j], invoker);
	}
	mapping_free(mapping);
	*mapping = narrow;
}

uint32_t mapping_find(const struct mapping *mapping, uint32_t inside)
{
	size_t low = 0;
	size_t high = mapping->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct id_map *line = &mapping->lines[middle];

		if (inside < line->inside)
			high = middle;
		else if (inside - line->inside >= line->count)
			low = middle + 1;
		else
			return line->outside + (inside - line->inside);
	}
	return ID_NONE;
}

uint32_t mapping_inside(const struct mapping *mapping, uint32_t outside)
{
	for (size_t i = 0; i < mapping->count; i++) {
		const struct id_map *line = &mapping->lines[i];

		if (outside >= line->outside && outside - line->outside < line->count)
			return line->inside + (outside - line->outside);
	}
	return ID_NONE;
}

bool mapping_has(const struct mapping *mapping, uint32_t inside)
{
	return mapping_find(mapping, inside) != ID_NONE;
}
