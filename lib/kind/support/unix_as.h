/* The kernel takes down who connects, listens, or makes a pair of sockets (SO_PEERCRED): its pid,
 * uid and gid. So a child that has them for a moment does it; long before the task that has them
 * later. */
#pragma once

#include <sys/types.h>

#include "kind/kind.h"
#include "kind/support/unix_rec.h"

/* Calls `act` in a task that shares our descriptors and has these credentials; memory
 * that it writes is its own. Where they cannot be had, others are taken, and that is said. Returns
 * a negative errno of act, or of ours. */
int unix_as(struct restore *rs, const struct unix_credentials *who, int (*act)(void *argument),
	    void *argument);
/* Likewise, in a child with our credentials, for what would alter our own mounts and directories.
 */
int unix_apart(int (*act)(void *argument), void *argument);
