/* Mounts of a target as they are without what is mounted on them. A child of ours goes into a copy
 * of the target's mount namespace, and takes the mounts away from the top. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* One step of the child, from the first to the last. */
struct mount_step {
	const char *point;
	bool is_taken;	   /* gives a directory of the mount; read-only, of our own */
	bool is_unmounted; /* takes it away afterwards, and with it what it covers comes to light */
	int fd;		   /* result: owned by the caller; -1 */
};

/* `proc` is a /proc/PID directory. Needs the capabilities of the target's user namespace. */
int mount_take(int proc, struct mount_step *steps, size_t count, struct err *err);
