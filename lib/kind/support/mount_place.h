/* Where a path of the container will lead to, once its mounts are made: for planning. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/image.h"
#include "policy/plan.h"

struct mount_place {
	/* Owned: the path in the root directory, or in the invoker's view, by which the same file
	 * is found now. NULL: it is on a file system that is made from the image, or not there yet.
	 */
	char *path;
	bool is_missing; /* the image has no such file */
	bool is_known;	 /* it has: */
	mode_t mode;
	uint64_t size;
};

/* The mounts, and the files of those that are made from the image, are sorted once for each plan.
 */
void mount_place_find(struct plan *plan, const char *path, struct mount_place *ret_place);
/* Is that the place of a mount of the host, which the invoker has to name? */
bool mount_is_named(const struct image *image, const char *place);
void mount_place_free(struct mount_place *place);
