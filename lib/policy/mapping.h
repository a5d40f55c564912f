/* Maps of user namespaces: which ids of a container become which of the invoker's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/plan.h"

#define MAPPING_LINES_MAX 340u /* user_namespaces(7), since Linux 4.15 */

struct mapping {
	struct id_map *lines; /* owned; in rising order of `inside` */
	size_t count;
};

#define MAPPING_NONE ((struct mapping){ .lines = NULL })

/* What a policy file says: these ids become the invoker, or take places in his ranges. */
struct id_line {
	uint32_t image;
	uint32_t count;
	bool is_invoker; /* count is 1 */
};
#define ID_LINES_MAX MAPPING_LINES_MAX
struct id_lines {
	struct id_line *list; /* owned; rising, none overlap */
	size_t count;
	bool is_given;
};

void mapping_free(struct mapping *mapping);

/* `main` becomes the invoker; nobody else is there. */
void mapping_make_single(uint32_t main, uint32_t invoker, struct mapping *ret_mapping);
/* Every id of the invoker's own namespace stays what it is. */
void mapping_make_identity(const struct id_range *own, size_t count, struct mapping *ret_mapping);
/* What the invoker has said. */
void mapping_make_given(const struct id_map *lines, size_t count, struct mapping *ret_mapping);
/* `main` becomes the invoker; all other ids get a place in the invoker's ranges, if there is room
 * for 0 to 65535, or at least those of `used` (rising, unique). Ids that find no place are left
 * out: ask mapping_has(). */
void mapping_make_ranges(uint32_t main, uint32_t invoker, const uint32_t *used, size_t used_count,
			 const struct id_range *ranges, size_t range_count,
			 struct mapping *ret_mapping);

/* As the lines say, as far as the ranges go. */
void mapping_make_lines(const struct id_lines *lines, uint32_t invoker,
			const struct id_range *ranges, size_t range_count,
			struct mapping *ret_mapping);
/* Takes away what the lines do not have, or would not let become what it becomes. */
void mapping_narrow(struct mapping *mapping, const struct id_lines *lines, uint32_t invoker);

bool mapping_has(const struct mapping *mapping, uint32_t inside);
/* Where an id leads; ID_NONE if nowhere. */
uint32_t mapping_find(const struct mapping *mapping, uint32_t inside);
/* Which id leads there; ID_NONE if none does. */
uint32_t mapping_inside(const struct mapping *mapping, uint32_t outside);
