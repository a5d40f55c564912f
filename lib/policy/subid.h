/* Ranges of ids: the texts of /etc/subuid and /etc/subgid, and of /proc/PID/uid_map and gid_map. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/plan.h"

/* The ranges of `name` (may be NULL) or `id` in the text of /etc/subuid (subuid(5)): sorted, joined
 * where they touch or overlap, without `own`, which a map can't hold twice. Lines that make no
 * sense are skipped, as newuidmap skips them. */
void subid_parse(const char *text, const char *name, uint32_t id, uint32_t own,
		 struct id_range **ret_ranges, size_t *ret_count);
/* The inner ids of the text of an id map, sorted. */
void subid_parse_map(const char *text, struct id_range **ret_ranges, size_t *ret_count);
/* Is the text the map of the initial user namespace? */
bool subid_map_is_initial(const char *text);
