/* What kinds of descriptors share: flags, paths, references between records. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind/kind.h"

/* ---- implemented in dump/dump.c ---- */

/* The first open file description of this inode, in the order in which they are dumped; the one
 * at the cursor if it is the first itself. Those with O_PATH do not count. */
uint32_t dump_first_file(const struct dump *d, dev_t dev, ino_t ino);
/* Iterates over all tasks: NULL first; NULL at the end. */
const struct dump_task *dump_next_task(const struct dump *d, const struct dump_task *last);

/* ---- dump ---- */

/* The flags of a description that a record keeps. */
uint32_t file_flags(const struct target_fd *fd);
bool file_can_read(uint32_t flags);
bool file_can_write(uint32_t flags);
/* Blocks what no kind saves: the access mode for ioctl(2) only. True if it did. */
bool file_block_extras(struct dump *d);
/* Opens what is behind a descriptor of ours once more, without blocking: an open file description
 * of our own, whose offset may be moved. Returns a negative errno. */
int file_open_again(int fd, int flags);
/* /proc/PID/...: its task does not exist yet when files are opened. */
bool file_is_of_a_process(const struct target_fd *fd);
bool file_is_memfd(const struct target_fd *fd);

#define FILE_PATH_MAX 4096 /* with the NUL */

/* The first living task in the container's own mount namespace, or in any if all have left that:
 * its root is the container's; others may have gone below another. */
const struct dump_task *file_first_task(const struct dump *d);
/* The path beneath the root of `task` of the file that /proc shows as `link`: it is looked up, and
 * must lead to the same inode. Owned. Returns a negative errno, -ENOENT if it does not. */
int file_find_path(const struct dump_task *task, const char *link, const struct stat *stat,
		   char **ret_path);
/* The same for the file at the cursor, beneath the container's root. */
int file_look_path(const struct dump *d, char **ret_path);
/* Likewise. Without a path, says why with dump_block(), or, for a file
 * outside of the container under a standard number, writes a stdio record; *ret_path is NULL. */
void file_dump_path(struct dump *d, char **ret_path);

/* The path that a deleted file had, which may be any text. Owned. */
char *file_deleted_path(const char *link);

/* In fd/stdio.c. If any task has the description at the cursor as descriptor 0, 1 or 2, writes a
 * stdio record for it, and returns true. */
bool stdio_takes(struct dump *d);

/* In fd/external.c: where what leads outside is to be given again, writes a record of what it is,
 * and returns true. */
bool external_takes(struct dump *d);

/* ---- check and link: hostile bytes ---- */

/* Nothing but flags that file_flags() may return. */
bool file_flags_are_valid(uint32_t flags);
/* S_IFREG, S_IFDIR and so on, and nothing else. */
bool file_type_is_valid(uint32_t type);
/* `size` bytes are an absolute path without "..", with one NUL, at its end. */
bool file_path_is_valid(const void *path, size_t size);
/* The record of the open file description `id`, of whatever kind; NULL if there is none. */
const struct record *file_record(const struct image *image, uint32_t id);
/* Is it of a kind that brings back this very file: regfile, directory, memfd? */
bool file_is_kept(const struct image *image, uint32_t id);
/* `carrier` is a record of the same kind that stands before `record`; NULL, with err set, if it is
 * not. */
const struct record *file_carrier(const struct image *image, const struct record *record,
				  uint32_t carrier, struct err *err);

/* ---- restore ---- */

/* Opens again, with `flags`, the inode of a description that was restored before, and hands it
 * over for `record`. */
int file_restore_again(struct restore *rs, const struct record *record, uint32_t carrier,
		       uint32_t flags, uint64_t offset, struct err *err);
