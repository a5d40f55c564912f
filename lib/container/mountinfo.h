/* The text of /proc/PID/mountinfo. It is written by the kernel, but names in it are a target's: the
 * kernel escapes space, tab, newline and backslash in them as octal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct mountinfo {
	uint64_t id;
	uint64_t parent;
	uint32_t dev_major, dev_minor;
	char *root; /* owned, as the following; unescaped */
	char *point;
	char *options; /* of this mount: "rw,nosuid" */
	char *type;
	char *source;
	char *super;	 /* options of the file system: "rw,size=64k" */
	uint32_t group;	 /* of peers; 0: not shared */
	uint32_t master; /* the group that it is a slave of; 0: none */
	bool is_unbindable;
};

int mountinfo_parse(const char *text, struct mountinfo **ret_mounts, size_t *ret_count,
		    struct err *err);
void mountinfo_free(struct mountinfo *mounts, size_t count);

/* Parses /proc/PID/mountinfo, relative to a directory descriptor. */
int mountinfo_read(int proc, const char *path, struct mountinfo **ret_mounts, size_t *ret_count,
		   struct err *err);

/* Could container_start() have mounted that? With a root file system of its own, or without. */
bool mountinfo_is_made(const struct mountinfo *mount, bool has_root);
/* Does ctckpt make a tmpfs at `point` of a container with a root directory? */
bool mountinfo_is_made_tmpfs(const char *point);
/* The options of a mount that container_start() makes there; NULL: as on the host. */
const char *mountinfo_made_options(const char *point);
/* Where container_start() mounts something. Owned, each and all. */
char **mountinfo_points(bool has_root, size_t *ret_count);
