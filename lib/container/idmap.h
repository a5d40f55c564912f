/* The id maps of a container that nobody described: see idmap.c. */
#pragma once

#include <stddef.h>

#include "core/err.h"
#include "policy/plan.h"

struct idmap {
	struct id_map *uid; /* owned */
	size_t uid_count;
	struct id_map *gid;
	size_t gid_count;
};

#define IDMAP_EMPTY ((struct idmap){ .uid = NULL })

/* NULL: for root with the capabilities to do so, every id as it is; else 0 is the invoker.
 * "keep-id": the invoker has the same ids inside, and there are no others.
 * "auto": 0 is the invoker, and 1 and up are his subordinate ids, subuid(5). */
int idmap_choose(const char *userns, struct idmap *ret_map, struct err *err);
void idmap_free(struct idmap *map);
#define auto_idmap __attribute__((cleanup(idmap_free)))

/* The text of /proc/PID/uid_map, made into a map of the ids inside onto themselves. */
int idmap_parse_identity(const char *text, struct id_map **ret_map, size_t *ret_count,
			 struct err *err);
