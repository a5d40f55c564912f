/* Mounts of proc(5) that show the processes of a pid namespace of single tasks. Only a task in that
 * pid namespace can make such a mount: it is left out while all others are made, and made by a task
 * that is in both, once there is one (restore/late_proc.c). */
#pragma once

#include "container/mountinfo.h"
#include "kind/kind.h"
#include "kind/support/mount_record.h"

/* Dump: *ret_id is the pid namespace; 0: the container's own. False if it cannot be told, or is
 * none of the container's. */
bool mount_proc_find(const struct dump *d, int proc, const struct mountinfo *mount,
		     uint32_t *ret_id);
/* Is it one? */
bool mount_proc_is_late(const struct mount_entry *entry);
/* Restore: keeps the place of one, in the mounts of this record. Taken over. */
int mount_proc_keep(struct restore *rs, const struct record *record, int point, struct err *err);
