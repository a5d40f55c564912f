/* Files that the container has a lease for writing on: whoever opens one breaks the lease. There is
 * one open file description of such a file, and no other; what the container has of it is read
 * through that. */
#pragma once

#include <sys/stat.h>

#include "kind/kind.h"

/* The description of the leased file with this inode; NULL: nobody has a lease for writing on it.
 */
const struct target_fd *lease_holder(const struct dump *d, const struct stat *stat);
/* A duplicate of that description, which shares its position with the container. -EWOULDBLOCK if it
 * is not open for reading, -ENOENT if there is none. */
int lease_duplicate(const struct dump *d, const struct stat *stat);
