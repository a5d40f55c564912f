/* Is a file the one that a mapping is of? /proc/PID/maps names it by the device and inode that the
 * kernel has for it, which are not those of stat(2) everywhere (overlay, btrfs). */
#pragma once

#include <stdbool.h>

#include "core/procfs.h"

/* `fd` is open for reading. */
bool mapped_inode_is(int fd, const struct procfs_vma *vma);
