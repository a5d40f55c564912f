/* Opening files for a restore: by path beneath the container's root, as the invoker.
 *
 * A path is resolved once, with O_PATH, inside of the root and without magic links; the type of
 * what was found is looked at; then this very inode, not the path again, is opened through
 * /proc/self/fd. So nothing that is put in its place meanwhile can be opened instead, and no
 * device or fifo is touched by mistake. kind.h declares restore_open() and restore_unnamed(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
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

/* What a path leads to, seen without opening it. */
struct open_place {
	int fd; /* O_PATH; for the caller to close */
	struct stat stat;
	bool has_links; /* symbolic links on the way */
};
/* What `path` names beneath the directory `root`. Links on the way are followed inside of it. A
 * link as the last component is not, unless a device (S_IFCHR) is looked for: a path that was saved
 * has none, so it is something else that was put there. Returns a negative errno. */
int open_place(int root, const char *path, mode_t type, struct open_place *ret_place);
/* Its descriptor, if it has `type` (S_IFREG, ...; 0: any). Returns a negative errno; -ESTALE for
 * another type. */
int open_path(int root, const char *path, mode_t type, int *ret_fd);
/* A directory that something is to be put in: likewise, but links are followed to the end. */
int open_directory(int root, const char *path, int *ret_fd);
/* "a fifo", of S_IFMT bits. */
const char *open_type_name(mode_t type);
/* A file of /proc that belongs to one process: whoever opens it gets his own, or another's. */
bool open_is_of_a_process(int proc, int fd);
/* Opens the inode behind `fd` once more, with the access mode and sync flags of `flags`; never
 * blocks; close-on-exec; O_NONBLOCK is left on. Returns a negative errno. */
int open_inode(int proc, int fd, uint32_t flags, int *ret_fd);

/* The same for restore operations, with errors for people; links on the way are noted, and regular
 * files of a process are refused. */
int restore_open_path(const struct restore *rs, const char *path, mode_t type, int *ret_fd,
		      struct err *err);
/* Likewise, with O_DIRECTORY and O_NOFOLLOW as in `flags`: programs see them. */
int restore_open_place(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		       int *ret_fd, struct err *err);
/* Another O_PATH descriptor of the inode behind `fd`. */
int restore_place_again(const struct restore *rs, int fd, int *ret_fd, struct err *err);
/* Opens the inode for real, and sets all status flags; says by restore_note() which of them could
 * not be kept. */
int restore_reopen(const struct restore *rs, int fd, uint32_t flags, int *ret_fd, struct err *err);
/* Sets the status flags of a descriptor that was made in another way. */
int restore_status_flags(const struct restore *rs, int fd, uint32_t flags, struct err *err);
