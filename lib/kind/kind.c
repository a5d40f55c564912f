/* The table of kinds, looked up. */
#include "kind/kind.h"

#include <string.h>

#include "image/record_type.h"

const struct kind *kind_by_tag(uint32_t tag)
{
	for (const struct kind *const *kind = kinds; *kind; kind++)
		if ((*kind)->tag == tag)
			return *kind;
	return NULL;
}

const struct kind *kind_by_name(const char *name)
{
	for (const struct kind *const *kind = kinds; *kind; kind++)
		if (strcmp((*kind)->name, name) == 0)
			return *kind;
	return NULL;
}

const char *scope_name(enum scope scope)
{
	switch (scope) {
	case SCOPE_CONTAINER:
		return "container";
	case SCOPE_TASK:
		return "task";
	case SCOPE_THREAD:
		return "thread";
	case SCOPE_FD:
		return "descriptor";
	}
	return "?";
}

static enum image_limit limit_of(const struct kind *kind)
{
	switch (kind->scope) {
	case SCOPE_TASK:
	case SCOPE_THREAD:
		return LIMIT_TASKS;
	case SCOPE_FD:
		return LIMIT_DESCRIPTORS;
	case SCOPE_CONTAINER:
		break;
	}
	return LIMIT_COUNT;
}

bool record_type_find(uint32_t tag, struct record_type *ret_type)
{
	const struct kind *kind = kind_by_tag(tag);

	if (!kind)
		return false;
	*ret_type = (struct record_type){
		.version = kind->version ? kind->version : 1,
		.counts_as = limit_of(kind),
		.count = kind->count,
		.check = kind->check,
		.link = kind->link,
	};
	return true;
}
