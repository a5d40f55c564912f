/* What `run` and `restore` make of a container outside of it: its name, its cgroup, its entry in
 * the registry, its pid file. Goes with the container, or with a failure to start it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/cgroup.h"
#include "core/err.h"
#include "core/filter.h"

struct entry {
	char *name; /* owned */
	struct cgroup_own cgroup;
	char *pid_file; /* owned; NULL: none was written */
	bool is_registered;
};

#define ENTRY_NONE ((struct entry){ .cgroup = CGROUP_OWN_NONE })

/* `asked`, which must be valid; else `preferred`, if no living container has it; else one is made
 * up. Both may be NULL. */
int entry_choose_name(struct entry *entry, const char *asked, const char *preferred,
		      struct err *err);
/* One cgroup by which it can be frozen, where the invoker may make one. */
int entry_make_cgroup(struct entry *entry, struct err *err);
/* `rootfs`, `image` and the seccomp filter may be NULL; a path is made absolute. */
int entry_register(struct entry *entry, pid_t init, const char *rootfs, const char *image,
		   const struct filter *filter, struct err *err);
/* Whoever waits for the file to appear finds the whole number in it. NULL: none is wanted. */
int entry_write_pid_file(struct entry *entry, const char *path, pid_t init, struct err *err);
/* The container is gone. What cannot be removed is logged: it does not change what happened. */
void entry_remove(struct entry *entry);
/* Frees; all that was made stays. */
void entry_free(struct entry *entry);
