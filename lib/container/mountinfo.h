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
};

int mountinfo_parse(const char *text, struct mountinfo **ret_mounts, size_t *ret_count,
		    struct err *err);
void mountinfo_free(struct mountinfo *mounts, size_t count);

/* The first mount of `mounts` that a container made from `own` (the invoker's mounts; NULL: with a
 * root file system of its own) would not have; NULL if there is none. */
const struct mountinfo *mountinfo_stranger(const struct mountinfo *mounts, size_t count,
					   const struct mountinfo *own, size_t own_count);
