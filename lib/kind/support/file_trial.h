/* Planning for files that are opened by name: would the invoker be let in? */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "kind/kind.h"

/* Opens `path` beneath `root` (a directory descriptor) as the calling process, as restore would:
 * regular files and directories really, others are only asked about; with O_PATH, nothing but the
 * way to it is tried. Returns 0 and what is there,
 * or a negative errno. */
int file_trial_open(int root, const char *path, uint32_t flags, mode_t type, struct stat *ret_stat);

/* The root that restore would use for this path: a descriptor for the caller. */
int file_trial_root(const struct plan *plan, const char *path, int *ret_fd);

struct file_trial {
	const char *path;
	uint32_t flags;
	mode_t type;
	bool is_descriptor;  /* another file could be opened in its place */
	uint32_t detail;     /* of the question: for objects that have several files */
	int result;	     /* 0 or a negative errno; a kind may find reasons of its own */
	struct stat stat;    /* if the result is 0 */
	const char *trouble; /* the reason, where the system's words for it would not do; or NULL */
};
/* file_trial_open() beneath the root that restore would use. */
void file_trial_run(struct plan *plan, struct file_trial *trial);
/* The CLASS_FILE question about the file of object `id`. */
void file_trial_ask(struct plan *plan, uint32_t id, const struct file_trial *trial);
