/* Opening files for a restore: by path beneath the container's root, as the invoker.
 *
 * A path is resolved once, with O_PATH, inside of the root and without magic links; the type of
 * what was found is looked at; then this very inode, not the path again, is opened through
 * /proc/self/fd. So nothing that is put in its place meanwhile can be opened instead, and no
 * device or fifo is touched by mistake. kind.h declares restore_open() and restore_unnamed(). */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct restore;

struct restore_root {
	int dir;  /* O_PATH: the root of the container's file system */
	int proc; /* O_PATH: a mounted proc that shows the task that opens */
};

/* Implemented in restore/restore.c: what the two above are in this restore; borrowed. */
const struct restore_root *restore_root(const struct restore *rs);
/* Implemented in restore/restore.c: the invoker's own descriptor `n` (0, 1 or 2); borrowed; -1 if
 * he has it closed, or open as a mere place (O_PATH). */
int restore_stdio(const struct restore *rs, int n);

/* Flags of open(2) that are kept; O_ACCMODE is the only field that is not a bit. */
#define OPEN_STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)
#define OPEN_FLAGS	  (O_ACCMODE | O_SYNC | OPEN_STATUS_FLAGS)

/* An O_PATH descriptor of what `path` names beneath the directory `root`, if it has `type`
 * (S_IFREG, ...; 0: any); with S_IFLNK, a link as the last component is not followed. Returns a
 * negative errno; -ESTALE for another type. */
int open_path(int root, const char *path, mode_t type, int *ret_fd);
/* Opens the inode behind `fd` once more, with the access mode and sync flags of `flags`; never
 * blocks; close-on-exec; O_NONBLOCK is left on. Returns a negative errno. */
int open_inode(int proc, int fd, uint32_t flags, int *ret_fd);

/* The same for restore operations, with errors for people. */
int restore_open_path(const struct restore *rs, const char *path, mode_t type, int *ret_fd,
		      struct err *err);
/* Likewise, with O_DIRECTORY and O_NOFOLLOW as in `flags`. */
int restore_open_place(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		       int *ret_fd, struct err *err);
/* Another O_PATH descriptor of the inode behind `fd`. */
int restore_place_again(const struct restore *rs, int fd, int *ret_fd, struct err *err);
/* Opens the inode for real, and sets all status flags; says by restore_note() which of them could
 * not be kept. */
int restore_reopen(const struct restore *rs, int fd, uint32_t flags, int *ret_fd, struct err *err);
/* Sets the status flags of a descriptor that was made in another way. */
int restore_status_flags(const struct restore *rs, int fd, uint32_t flags, struct err *err);
