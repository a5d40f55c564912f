/* Which pages of shared memory exist. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* Pages may be where mincore(2) does not see them. */
bool host_has_swap(void);
/* The pages of `size` bytes of shared memory, mapped by us at `at`, that hold anything; all of
 * them on a host with swap. Offsets in the mapping. Owned by the caller. Returns a negative errno.
 */
int resident_extents(void *at, uint64_t size, struct image_extent **ret_extents, size_t *ret_count);
