/* Which ids become which: the lines of a policy file. See cases.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "policy/cases.h"

struct parse {
	struct id_lines *lines;
	const char *range_word; /* "subuid" */
	struct id_line line;
	bool has_image, has_count, has_to;
};

static int parse_to(struct parse *parse, const struct policy_node *node, struct err *err)
{
	const char *words[] = { "invoker", parse->range_word, NULL };
	size_t word;
	int r = node_word(node, words, &word, err);

	if (r == 0)
		parse->line.is_invoker = word == 0;
	parse->has_to = true;
	return r;
}

static int parse_member(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *parse = argument;
	int64_t number = 0;
	int r;

	if (strcmp(node->key, "to") == 0)
		return parse_to(parse, node, err);
	if (strcmp(node->key, "image") == 0) {
		parse->has_image = true;
		r = node_number(node, 0, UINT32_MAX - 1, &number, err);
		parse->line.image = (uint32_t)number;
		return r;
	}
	if (strcmp(node->key, "count") != 0)
		return node_error_at_key(
		    node, err, "\"%.64s\" is not known here: it can be image, count or to",
		    node->key);
	parse->has_count = true;
	r = node_number(node, 1, UINT32_MAX, &number, err);
	parse->line.count = (uint32_t)number;
	return r;
}

static int check_line(const struct parse *parse, const struct policy_node *node, struct err *err)
{
	const struct id_line *line = &parse->line;

	if (!parse->has_image || !parse->has_count || !parse->has_to)
		return node_error(node, err, "it lacks \"%s\"",
				  !parse->has_image   ? "image"
				  : !parse->has_count ? "count"
						      : "to");
	if (line->count > UINT32_MAX - line->image)
		return node_error(node, err, "there are no ids above 4294967294");
	if (line->is_invoker && line->count != 1)
		return node_error(node, err, "only one id can become the invoker");
	for (size_t i = 0; i < parse->lines->count; i++) {
		const struct id_line *other = &parse->lines->list[i];

		if (line->image < other->image + other->count &&
		    other->image < line->image + line->count)
			return node_error(node, err, "it has ids that a line before it has");
		if (line->is_invoker && other->is_invoker)
			return node_error(node, err, "a line before it leads to the invoker");
	}
	return 0;
}

static int parse_line(void *argument, const struct policy_node *node, struct err *err)
{
	struct parse *whole = argument;
	struct parse parse = { .lines = whole->lines, .range_word = whole->range_word };
	int r = node_expect_object(node, err);

	if (r == 0)
		r = node_each(node, parse_member, &parse, err);
	if (r == 0)
		r = check_line(&parse, node, err);
	if (r < 0)
		return r;
	array_grow(parse.lines->list, parse.lines->count);
	parse.lines->list[parse.lines->count++] = parse.line;
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	const struct id_line *one = a;
	const struct id_line *other = b;

	return one->image < other->image ? -1 : one->image > other->image;
}

int parse_id_lines(const struct policy_node *node, const char *range_word, struct id_lines *lines,
		   struct err *err)
{
	struct parse parse = { .lines = lines, .range_word = range_word };
	int r = node_expect_array(node, err);

	if (r == 0 && json_count(node->value) > ID_LINES_MAX)
		r = node_error(node, err, "it has more than %u lines", ID_LINES_MAX);
	lines->is_given = true;
	lines->count = 0;
	if (r == 0)
		r = node_each(node, parse_line, &parse, err);
	if (r == 0 && lines->count > 0)
		qsort(lines->list, lines->count, sizeof(*lines->list), compare_lines);
	return r;
}
