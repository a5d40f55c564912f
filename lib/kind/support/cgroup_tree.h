/* The cgroups below a container's own: their names, limits and tasks. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/cgroup.h"
#include "core/err.h"
#include "kind/kind.h"

#define CGROUP_NODES_MAX 4096u
#define CGROUP_TASKS_MAX 65536u

/* The files of v2 that are saved, cgroup-v2.rst; by their place in the table. */
struct cgroup_attribute {
	const char *file;
	const char *usual; /* not saved if it says this */
	bool is_limit;	   /* what it confines must not be lost */
	bool is_below;	   /* not of the container's own cgroup, which is frozen by us */
};
extern const struct cgroup_attribute cgroup_attributes[];
extern const uint32_t cgroup_attribute_count;

struct cgroup_node {
	uint32_t parent;  /* a node in front of it; the first node is its own */
	const char *name; /* "" for the first */
};

struct cgroup_setting {
	uint32_t node;
	uint32_t attribute;
	const char *text; /* NULL: it is left out */
};

struct cgroup_task {
	uint32_t task; /* id */
	uint32_t node;
};

/* Texts are borrowed from the record that it was read from. */
struct cgroup_tree {
	struct cgroup_node *nodes; /* owned */
	size_t node_count;
	struct cgroup_setting *settings; /* owned */
	size_t setting_count;
	struct cgroup_task *tasks; /* owned; those that are not in the first node */
	size_t task_count;
};
#define CGROUP_TREE_EMPTY ((struct cgroup_tree){ .nodes = NULL })
void cgroup_tree_free(struct cgroup_tree *tree);

/* ---- in kind/container/cgroup.c ---- */

/* Of a record, hostile bytes. */
int cgroup_tree_parse(const void *body, size_t length, struct cgroup_tree *ret_tree,
		      struct err *err);
/* Of a checked image; false: it has none. */
bool cgroup_tree_of_image(const struct image *image, struct cgroup_tree *ret_tree);

/* ---- in cgroup_tree.c ---- */

/* Makes the cgroups below the directory `dir`; *ret_dirs (owned, like the descriptors in it, one a
 * node) is for the other two. */
int cgroup_tree_make(const struct cgroup_tree *tree, int dir, int **ret_dirs, struct err *err);
int cgroup_tree_move(const struct cgroup_tree *tree, const int *dirs, uint32_t task, pid_t pid,
		     struct err *err);
/* Once all tasks are where they belong: controllers first, then limits. */
int cgroup_tree_set(const struct cgroup_tree *tree, const int *dirs, struct err *err);
void cgroup_tree_close(const struct cgroup_tree *tree, int *dirs);
