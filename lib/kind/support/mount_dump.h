/* Saves the mounts of one mount namespace. */
#pragma once

#include "container/mountinfo.h"
#include "kind/kind.h"

/* What the namespace was made from. */
struct mount_origin {
	bool has_root; /* a directory of its own */
	/* The mounts that it is a copy of; borrowed. Where it has such a root, none. */
	const struct mountinfo *own;
	size_t own_count;
	/* Else this, and what ctckpt mounts in it; NULL: not known. */
	const char *rootfs;
	/* An engine made the root from whatever it had; it is found at `rootfs` by the engine only.
	 */
	bool is_foreign;
	/* An engine made the container: what is mounted outside of it may show on these. */
	bool may_follow;
	/* ctckpt has mounted its own proc and mqueue over the copy. */
	bool has_made;
};

/* Writes a record of `kind` with `id` for the mount namespace of the task with this /proc/PID
 * directory, and those of its trees. What cannot be saved is blocked. */
int mount_dump(struct dump *d, const struct kind *kind, uint32_t id, int proc,
	       const struct mount_origin *origin, struct err *err);
/* The kind of the trees' records. */
extern const struct kind kind_tmpfs;
