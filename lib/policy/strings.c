/* Texts that live as long as their pool. See strings.h. */
#include "policy/strings.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

#define TEXT_MAX 4096u

const char *strings_add(struct strings *strings, const char *text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	const char **recent;
	size_t length;

	if (!text)
		return NULL;
	length = strnlen(text, TEXT_MAX);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;

	recent = &strings->recent[hash % STRINGS_CACHE];
	if (*recent && strlen(*recent) == length && memcmp(*recent, text, length) == 0)
		return *recent;
	array_grow(strings->texts, strings->count);
	*recent = strings->texts[strings->count++] = mem_copy(text, length);
	return *recent;
}

void strings_free(struct strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->texts[i]);
	free(strings->texts);
	*strings = (struct strings){ .texts = NULL };
}
