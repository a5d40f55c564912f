/* Control groups: where they are mounted, which tasks they hold, and which one freezes a target
 * and nothing else. For lib/target and the kind of cgroups. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"
#include "target/target.h"

struct cgroup_mount {
	enum freezer_form form; /* FREEZER_V1: the hierarchy of the v1 freezer */
	char *root;  /* owned; of the mount in its hierarchy, as our cgroup namespace sees it */
	char *point; /* owned */
};

/* Those of mountinfo's lines that are cgroup2, or cgroup with the freezer. */
int cgroup_mounts_parse(const char *mountinfo, struct cgroup_mount **ret_mounts, size_t *ret_count,
			struct err *err);
int cgroup_mounts_get(struct cgroup_mount **ret_mounts, size_t *ret_count, struct err *err);
void cgroup_mounts_free(struct cgroup_mount *mounts, size_t count);

/* The path in /proc/PID/cgroup for one form. Owned; NULL: there is none, or it was removed. */
int cgroup_path_parse(const char *text, enum freezer_form form, char **ret_path, struct err *err);
/* Where that path is mounted. Owned; NULL: not below this mount. */
char *cgroup_map_path(const struct cgroup_mount *mount, const char *path);

/* The directory of the cgroup that a process is in, in the v1 hierarchy with that controller.
 * Owned; NULL: there is none that can be seen. */
char *cgroup_v1_place(int proc, const char *controller);

/* Has it a component ".."? */
bool cgroup_path_leaves(const char *path);

/* Opens a directory that must be on a cgroup file system. */
int cgroup_open(const char *path, int *ret_dir, struct err *err);
/* A container may nest its cgroups; deeper than this nobody does in good faith. */
enum { CGROUP_DEPTH_MAX = 64 };
typedef int cgroup_child_fn(int dir, const char *name, int depth, void *argument, struct err *err);
/* Calls `each` for every directory in `dir`, which is the depth-th below another. */
int cgroup_each_child(int dir, cgroup_child_fn *each, int depth, void *argument, struct err *err);
/* Processes in a cgroup and all below, rising, outer pids; 0 stands for one that is not visible
 * from our pid namespace. Owned. */
int cgroup_tasks(int dir, pid_t **ret_pids, size_t *ret_count, struct err *err);
/* Removes a cgroup and those below. -EBUSY while there are tasks in it; fine if it is not there. */
int cgroup_remove(const char *path, struct err *err);

/* Sets freezer, cgroup and cgroup_path of a target, if a cgroup can freeze it. */
int cgroup_find_freezer(struct target *target, struct err *err);
bool cgroup_is_frozen(enum freezer_form form, int dir);
