/* Makes saved mounts again, in the mount namespace of the calling process.
 *
 * What the image says is not trusted. A mount point is found below its parent mount, one name at a
 * time: no link is followed, and no other mount entered. What is mounted is a new file system of
 * the container's user namespace, a part of another mount of the list, or a directory that the
 * invoker has named; the kernel keeps the restrictions of what it is taken from. */
#pragma once

#include "kind/kind.h"

/* `record` has been checked. If the list has another root, the process is in it afterwards. */
int mount_restore(struct restore *rs, const struct record *record, struct err *err);
