/* Ranges of ids. See subid.h. */
#include "policy/subid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "policy/lattice.h"

/* Takes a decimal number and the `end` behind it ('\0': the end of the line). */
static bool take_number(const char **at, const char *line_end, char end, uint64_t *ret_number)
{
	const char *p = *at;
	uint64_t number = 0;

	if (p == line_end)
		return false;
	for (; p < line_end && *p >= '0' && *p <= '9'; p++) {
		number = number * 10 + (uint64_t)(*p - '0');
		if (number > UINT32_MAX)
			return false;
	}
	if (p == *at)
		return false;
	if (end == '\0' ? p != line_end : p == line_end || *p != end)
		return false;
	*at = end == '\0' ? p : p + 1;
	*ret_number = number;
	return true;
}

static bool owner_matches(const char *line, size_t length, const char *name, uint32_t id)
{
	const char *at = line;
	uint64_t number;

	if (name && strlen(name) == length && memcmp(line, name, length) == 0)
		return true;
	return take_number(&at, line + length, '\0', &number) && number == id;
}

/* Adds [first, first + count), cut off before the id that is none. */
static void add_range(struct id_range **ranges, size_t *count, uint64_t first, uint64_t length)
{
	if (first >= ID_NONE || length == 0)
		return;
	if (length > ID_NONE - first)
		length = ID_NONE - first;
	array_grow(*ranges, *count);
	(*ranges)[(*count)++] = (struct id_range){ (uint32_t)first, (uint32_t)length };
}

static int compare_ranges(const void *a, const void *b)
{
	const struct id_range *one = a;
	const struct id_range *other = b;

	return one->first < other->first ? -1 : one->first > other->first;
}

/* Sorts, and joins ranges that touch or overlap. */
static void normalise(struct id_range *ranges, size_t *count)
{
	size_t kept = 0;

	if (*count == 0)
		return;
	qsort(ranges, *count, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < *count; i++) {
		uint64_t end = (uint64_t)ranges[kept].first + ranges[kept].count;
		uint64_t next_end = (uint64_t)ranges[i].first + ranges[i].count;

		if (ranges[i].first > end)
			ranges[++kept] = ranges[i];
		else if (next_end > end)
			ranges[kept].count = (uint32_t)(next_end - ranges[kept].first);
	}
	*count = kept + 1;
}

static void parse_line(const char *line, const char *end, const char *name, uint32_t id,
		       uint32_t own, struct id_range **ranges, size_t *count)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	const char *at;
	uint64_t first;
	uint64_t length;

	if (!colon || !owner_matches(line, (size_t)(colon - line), name, id))
		return;
	at = colon + 1;
	if (!take_number(&at, end, ':', &first) || !take_number(&at, end, '\0', &length))
		return;
	if (own < first || own - first >= length) {
		add_range(ranges, count, first, length);
		return;
	}
	add_range(ranges, count, first, own - first);
	add_range(ranges, count, (uint64_t)own + 1, length - (own - first) - 1);
}

void subid_parse(const char *text, const char *name, uint32_t id, uint32_t own,
		 struct id_range **ret_ranges, size_t *ret_count)
{
	struct id_range *ranges = NULL;
	size_t count = 0;

	while (*text) {
		const char *end = strchrnul(text, '\n');

		parse_line(text, end, name, id, own, &ranges, &count);
		text = *end ? end + 1 : end;
	}
	normalise(ranges, &count);
	*ret_ranges = ranges;
	*ret_count = count;
}

/* The three numbers of a map's line; returns what is behind it, NULL at the end or for nonsense. */
static const char *take_map_line(const char *text, uint64_t numbers[3])
{
	for (int i = 0; i < 3; i++) {
		char *end;

		errno = 0;
		numbers[i] = strtoull(text, &end, 10);
		if (end == text || errno)
			return NULL;
		text = end;
	}
	return text;
}

void subid_parse_map(const char *text, struct id_range **ret_ranges, size_t *ret_count)
{
	struct id_range *ranges = NULL;
	size_t count = 0;
	uint64_t numbers[3];

	while ((text = take_map_line(text, numbers)))
		add_range(&ranges, &count, numbers[0], numbers[2]);
	normalise(ranges, &count);
	*ret_ranges = ranges;
	*ret_count = count;
}

bool subid_map_is_initial(const char *text)
{
	uint64_t numbers[3];

	return take_map_line(text, numbers) && numbers[0] == 0 && numbers[1] == 0 &&
	       numbers[2] == UINT32_MAX;
}
