/* Where a value stands in a JSON text: for errors about what a text says, not how it says it. The
 * text is looked through again, from its start, when there is an error to be told. */
#pragma once

#include <stddef.h>

/* The way to a value: the index-th member or element of `up`. NULL is the whole text. */
struct json_step {
	const struct json_step *up;
	size_t index;
};

/* Both from 1; columns count characters. */
struct json_place {
	size_t line;
	size_t column;
};

/* `text` must be one that json_parse() accepts, and the step exist in it. */
struct json_place json_place_of(const char *text, size_t size, const struct json_step *step);
/* Of a member: where its key is. */
struct json_place json_place_of_key(const char *text, size_t size, const struct json_step *step);
