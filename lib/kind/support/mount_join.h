/* Saved files in memory, in a container whose mounts an engine has made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"
#include "kind/kind.h"
#include "kind/support/mount_record.h"
#include "policy/bound.h"

/* In the tracer: the file systems in memory that the container `pid` alone has, by device: none of
 * those that we see, but for what is mounted below the directory of its bundle (which may be
 * NULL), where engines keep what is the container's. *ret_devices is owned. */
int mount_find_own_memory(pid_t pid, const char *bundle, dev_t **ret_devices, size_t *ret_count,
			  struct err *err);
/* All that is mounted in it becomes a point of the bound. */
int mount_add_joined(pid_t pid, const char *bundle, struct bound *bound, struct err *err);
/* Files that such a container would have to have a place for in memory, in mount `n` of the list;
 * NULL: none. */
const struct record *mount_joined_files(const struct image *image, const struct mount_list *list,
					size_t n);
/* In a task that has joined the container: files of `record`, which has been checked, are added to
 * those file systems where they were; what has no place is refused. */
int mount_join(struct restore *rs, const struct record *record, struct err *err);
