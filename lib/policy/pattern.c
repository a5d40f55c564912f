/* Patterns. See pattern.h. */
#include "policy/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_byte(const char *escape)
{
	return escape[1] == 'x' && isxdigit((unsigned char)escape[2]) &&
	       isxdigit((unsigned char)escape[3]);
}

/* The length of one element of a pattern, which does not end here. */
static size_t element_length(const char *pattern)
{
	if (pattern[0] == '*')
		return pattern[1] == '*' ? 2 : 1;
	if (pattern[0] == '\\')
		return is_byte(pattern) ? 4 : 2;
	return 1;
}

static bool element_matches(const char *pattern, char c)
{
	char byte[3] = "";

	if (pattern[0] == '?')
		return c != '/';
	if (pattern[0] != '\\')
		return pattern[0] == c;
	if (!is_byte(pattern))
		return pattern[1] == c;
	memcpy(byte, pattern + 2, 2);
	return (char)strtoul(byte, NULL, 16) == c;
}

bool pattern_is_valid(const char *pattern)
{
	for (; *pattern; pattern += element_length(pattern)) {
		if (pattern[0] == '\\' &&
		    (pattern[1] == '\0' || (pattern[1] == 'x' && !is_byte(pattern))))
			return false;
	}
	return true;
}

/* Where a match goes on if it fails: behind a star that takes one more character. */
struct retry {
	const char *pattern; /* behind the star; NULL: there is none */
	const char *text;
};

static bool take_more(struct retry *retry, bool may_take_slash, const char **pattern,
		      const char **text)
{
	if (!retry->pattern || *retry->text == '\0' || (*retry->text == '/' && !may_take_slash))
		return false;
	*pattern = retry->pattern;
	*text = ++retry->text;
	return true;
}

/* Only the last star of each sort is ever tried again: what an earlier one could still take, the
 * last one can. */
bool pattern_matches(const char *pattern, const char *text)
{
	struct retry one = { NULL, NULL };
	struct retry all = { NULL, NULL };

	while (*pattern || *text) {
		if (*pattern == '*') {
			bool is_all = pattern[1] == '*';

			pattern += is_all ? 2 : 1;
			*(is_all ? &all : &one) = (struct retry){ pattern, text };
			if (is_all)
				one.pattern = NULL;
		} else if (*pattern && *text && element_matches(pattern, *text)) {
			pattern += element_length(pattern);
			text++;
		} else if (!take_more(&one, false, &pattern, &text)) {
			one.pattern = NULL;
			if (!take_more(&all, true, &pattern, &text))
				return false;
		}
	}
	return true;
}

void pattern_quote(const char *text, struct buf *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c > '~')
			buf_printf(out, "\\x%02x", c);
		else if (strchr("*?\\", c))
			buf_printf(out, "\\%c", c);
		else
			(void)buf_append(out, text, 1);
	}
}
