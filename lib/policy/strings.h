/* Texts that live as long as their pool. Texts that were just seen are shared, so that a thousand
 * tasks cost one "caps.effective". */
#pragma once

#include <stddef.h>

#define STRINGS_CACHE 256u

struct strings {
	char **texts; /* owned */
	size_t count;
	const char *recent[STRINGS_CACHE];
};

/* A copy of `text`, cut off at 4,096 bytes; NULL for NULL. */
const char *strings_add(struct strings *strings, const char *text);
void strings_free(struct strings *strings);
