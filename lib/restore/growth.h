/* What the files share that make the tree of processes: tree.c, groups.c. */
#pragma once

#include "restore/restore.h"

/* A task that is not in the image, alive while the tree is made. */
struct ghost {
	struct remote remote;
	struct restore_place now;
	struct restore_pids pids;
	pid_t session;
	struct restore_task *parent;
};

/* Who can make a task. */
struct maker {
	struct remote remote;
	struct restore_place now;
};

struct growth {
	struct restore *rs;
	struct ghost *ghosts; /* owned */
	size_t ghost_count;
};

static inline bool is_zombie(const struct restore_task *task)
{
	return task->rec && le32_get(task->rec->flags) & TASK_ZOMBIE;
}

static inline struct remote *remote_of(struct restore_task *task)
{
	return &task->threads[0].remote;
}

/* tree.c: a call inside. */
int growth_call(struct remote *remote, const char *name, long nr, uint64_t a, uint64_t b,
		struct err *err);
struct restore_task *growth_task_by_vpid(const struct restore *rs, pid_t vpid);
/* The controlling terminal of the session that the task leads, as a descriptor in all tasks; -1. */
int growth_terminal_of(const struct restore *rs, const struct restore_task *task);
/* A child of `parent`. */
int growth_make_ghost(struct growth *growth, struct restore_task *parent, pid_t session,
		      const struct restore_pids *pids, struct err *err);

/* groups.c: process groups, and which of them are in the foreground. */
int growth_lead_groups(struct restore *rs, struct err *err);
int growth_join_group(struct growth *growth, struct restore_task *task, struct err *err);
int growth_set_foregrounds(struct growth *growth, struct err *err);
