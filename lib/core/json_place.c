/* Places in JSON texts. See json_place.h. What is found is within the text, whatever it is. */
#include "core/json_place.h"

#include <stdbool.h>
#include <string.h>

struct scan {
	const char *text;
	size_t size;
	size_t at;
};

static char look(const struct scan *scan)
{
	return scan->at < scan->size ? scan->text[scan->at] : '\0';
}

/* Commas and colons say nothing that order does not. */
static void skip_between(struct scan *scan)
{
	while (scan->at < scan->size && strchr(" \t\r\n,:", scan->text[scan->at]))
		scan->at++;
}

static void skip_string(struct scan *scan)
{
	for (scan->at++; scan->at < scan->size && scan->text[scan->at] != '"'; scan->at++)
		scan->at += scan->text[scan->at] == '\\';
	scan->at++;
}

static bool is_opening(char c)
{
	return c == '{' || c == '[';
}

static bool is_closing(char c)
{
	return c == '}' || c == ']';
}

static void skip_word(struct scan *scan)
{
	while (scan->at < scan->size && !strchr(" \t\r\n,:{}[]\"", scan->text[scan->at]))
		scan->at++;
}

/* A value, and all that is in it. */
static void skip_value(struct scan *scan)
{
	size_t depth = 0;

	do {
		skip_between(scan);
		if (look(scan) == '"') {
			skip_string(scan);
		} else if (is_opening(look(scan))) {
			scan->at++;
			depth++;
		} else if (is_closing(look(scan))) {
			scan->at++;
			depth -= depth > 0;
		} else {
			skip_word(scan);
		}
	} while (depth > 0 && scan->at < scan->size);
	skip_between(scan);
}

/* Stands before the value afterwards, or before its key. */
static void find(struct scan *scan, const struct json_step *step, bool is_key)
{
	bool has_keys;

	if (!step) {
		skip_between(scan);
		return;
	}
	find(scan, step->up, false);
	has_keys = look(scan) == '{';
	scan->at++;
	skip_between(scan);
	for (size_t i = 0; i < step->index; i++) {
		if (has_keys)
			skip_value(scan);
		skip_value(scan);
	}
	if (has_keys && !is_key)
		skip_value(scan);
}

static struct json_place place_at(const char *text, size_t size, size_t offset)
{
	struct json_place place = { 1, 1 };

	for (size_t i = 0; i < offset && i < size; i++) {
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if ((text[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

struct json_place json_place_of(const char *text, size_t size, const struct json_step *step)
{
	struct scan scan = { text, size, 0 };

	find(&scan, step, false);
	return place_at(text, size, scan.at);
}

struct json_place json_place_of_key(const char *text, size_t size, const struct json_step *step)
{
	struct scan scan = { text, size, 0 };

	find(&scan, step, true);
	return place_at(text, size, scan.at);
}
