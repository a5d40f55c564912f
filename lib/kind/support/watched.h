/* Files that the kernel names by inode, device and handle only, as it does in the fdinfo of inotify
 * and fanotify. An ordinary user may not open a handle, so they are looked for: among open files,
 * under paths that the tasks are likely to know, then by a walk of the file system that is bounded
 * in entries and time. What is found is watched by an inotify of our own: whether it is the file
 * is told by the kernel's name for it, which is also right where stat(2) shows other numbers
 * (overlay, btrfs). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind/kind.h"

struct watched {
	uint64_t inode;
	uint32_t dev_major, dev_minor; /* of the file system, as in mountinfo */
	char *handle;  /* owned: "fhandle-bytes:..."; "" where the kernel shows none */
	mode_t type;   /* S_IFMT bits of what was found */
	uint32_t file; /* found as this open file description */
	char *path;    /* owned: found under this path; NULL */
};

/* Reads "ino:1f sdev:fe00000 ... fhandle-bytes:8 ..." of a line of fdinfo. */
bool watched_parse(const char *line, struct watched *ret_watched);
void watched_free(struct watched *list, size_t count);
/* Fills in `file` or `path` of all that can be found. Reading directories on the way is seen by
 * those who watch them. */
int watched_find(const struct dump *d, struct watched *list, size_t count, struct err *err);
