/* Control groups: the files in a cgroup's directory, and cgroups of our own for containers that
 * ctckpt starts. The only door to libcgroup.
 *
 * A hybrid system has two hierarchies that can freeze: the v1 controller `freezer`, and v2, mounted
 * elsewhere (`unified/`). A container of ours gets a cgroup in each where the invoker may make one;
 * an ordinary user without delegation gets none. */
#pragma once

#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"

/* A control file as text; `buf` is cleared first. `dir` is the cgroup's directory. */
int cgroup_file_read(int dir, const char *file, struct buf *buf, struct err *err);
/* One write, as control files want it. */
int cgroup_file_write(int dir, const char *file, const char *text, struct err *err);

struct cgroup_own {
	int v1; /* directory descriptors; -1: none */
	int v2;
	char *v1_path; /* owned; absolute; NULL: none */
	char *v2_path;
};

/* The v2 cgroup below which cgroup_own_create() would make one, as far as can be seen without doing
 * it. NULL: nowhere. Owned by the caller. */
char *cgroup_own_base(void);

#define CGROUP_OWN_NONE ((struct cgroup_own){ .v1 = -1, .v2 = -1 })

/* Makes cgroups called `name` below the caller's own (below `ctckpt` in the root cgroup). It is no
 * error if the invoker may not; it is one (-EEXIST) if tasks live in a cgroup of that name. */
int cgroup_own_create(const char *name, struct cgroup_own *ret_own, struct err *err);
/* Removes them, as cgroup_destroy(). The object still needs cgroup_own_free(). */
int cgroup_own_remove(const struct cgroup_own *own, struct err *err);
/* Closes and frees; the cgroups stay. */
void cgroup_own_free(struct cgroup_own *own);
#define auto_cgroup_own __attribute__((cleanup(cgroup_own_free)))

/* Removes the cgroup with this absolute path and all below it. Tasks that are about to die are
 * waited for, at most 2 s; then -EBUSY. That it is gone already is no error. */
int cgroup_destroy(const char *path, struct err *err);
