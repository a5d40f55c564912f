/* Planning for files that are opened by name: would the invoker be let in? */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "kind/kind.h"
#include "kind/support/file_identity.h"

/* The root that restore would use for this path: a descriptor for the caller. */
int file_trial_root(const struct plan *plan, const char *path, int *ret_fd);

struct file_trial {
	const char *path;
	const char *purpose; /* "work in"; NULL: the access of `flags` */
	uint32_t flags;
	mode_t type;
	bool is_descriptor; /* another file could be opened in its place */
	uint32_t detail;    /* of the question: for objects that have several files */
	bool is_executed;   /* search permission, for a directory */
	bool is_identified; /* whether the file is still the same will be asked */

	int result;	     /* 0 or a negative errno; a kind may find reasons of its own */
	struct stat stat;    /* if the result is 0 */
	const char *trouble; /* the reason, where the system's words for it would not do; or NULL */
	char *remark;	     /* owned: what is to be said of a file that can be opened; or NULL */
	bool is_by_maps;     /* it takes the rights of the container's first task */
	bool has_links;	     /* symbolic links are on the way to it */
	bool is_noexec;	     /* its file system is mounted so */
	bool has_identity;
	struct file_identity identity;
};
/* Opens `path` beneath `root` (a directory descriptor) as the calling process, as restore would:
 * regular files and directories really, others are only asked about; with O_PATH, nothing but the
 * way to it is tried. Returns 0, or a negative errno. */
int file_trial_open(int root, const char *path, struct file_trial *trial);
/* The same for the path of the trial, beneath the root that restore would use. */
void file_trial_run(struct plan *plan, struct file_trial *trial);
/* The type is asked for by the kind itself. */
void file_trial_expect(struct file_trial *trial, mode_t type);
/* It is to be mapped as code. */
void file_trial_expect_code(struct file_trial *trial);
/* The CLASS_FILE question about the file of object `id`; CLASS_DEVICE, if that is one. */
void file_trial_ask(struct plan *plan, uint32_t id, const struct file_trial *trial);
void file_trial_free(struct file_trial *trial);
#define auto_file_trial auto_with(file_trial_free)
