/* What the invoker mounts in a container: directories and files of the host, tmpfs.
 *
 * A source is taken in the container's first task, in its copy of the invoker's mounts, while that
 * still has the invoker's root. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct volume {
	char *source; /* owned; absolute; NULL: a new tmpfs */
	char *point;  /* owned; absolute, without ".", ".." or empty components */
	bool is_read_only;
	int tree; /* in the first task: the mount, not attached; -1 */
};

struct volumes {
	struct volume *list; /* owned */
	size_t count;
	bool are_kept; /* not attached by container_start(): main does that */
};
#define VOLUMES_NONE ((struct volumes){ .list = NULL })

/* "SOURCE:POINT", "SOURCE:POINT:ro"; lists end with NULL, or are NULL. */
int volumes_parse(const char *const *volumes, const char *const *tmpfs, struct volumes *ret_volumes,
		  struct err *err);
void volumes_free(struct volumes *volumes);

/* In the first task. */
int volumes_take(struct volumes *volumes, struct err *err);
/* Below the directory `root`; mount points that are missing are made if `is_making`. */
int volumes_attach(const struct volumes *volumes, int root, bool is_making, struct err *err);
