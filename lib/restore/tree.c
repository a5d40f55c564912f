/* The tree of processes, with its sessions and process groups.
 *
 * A task inherits its session, so it must be made by a member of it, at the right time:
 *   - children of a session leader that are not in its session were born before it became one;
 *   - a task whose parent is in another session lost its first parent: a member of the session
 *     forks a helper, the helper forks the task, and ends; the kernel gives the task to the init or
 *     subreaper above, as it did before;
 *   - sessions and groups whose leader is gone get one for the time being, with its pid.
 *
 * The controlling terminal of a session is inherited, too: its leader takes it first. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "kind/support/terminal.h"
#include "restore/growth.h"

static struct restore_task *init_of(const struct restore *rs)
{
	return &rs->own->tasks[0];
}

static struct restore_task *parent_of(const struct restore *rs, struct restore_task *task)
{
	return task->parent ? task->parent : init_of(rs);
}

/* ---- calls inside ---- */

int growth_call(struct remote *remote, const char *name, long nr, uint64_t a, uint64_t b,
		struct err *err)
{
	return restore_call(remote, name, nr, a, b, 0, NULL, err);
}

int restore_end_task(struct remote *remote, int status, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	int died;
	int r;

	script_init(&script, remote);
	(void)script_syscall(&script, "exit", 0, SYS_exit_group, (uint64_t)status);
	r = script_start(&script, err);
	return r < 0 ? r : script_wait_death(&script, &died, err);
}

static int reap(struct remote *parent, pid_t vpid, struct err *err)
{
	return growth_call(parent, "wait for a helper", SYS_wait4, (uint64_t)vpid, 0, err);
}

/* ---- sessions ---- */

static bool names_session(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct task_rec *rec = rs->own->tasks[i].rec;

		if (rec && (pid_t)le32_get(rec->sid) == vpid)
			return true;
	}
	return false;
}

static bool leads_session(const struct restore *rs, const struct restore_task *task)
{
	if (!task->rec || task == init_of(rs))
		return false;
	if (is_zombie(task)) /* its own session was not saved */
		return names_session(rs, task->vpid);
	return (pid_t)le32_get(task->rec->sid) == task->vpid;
}

/* A zombie's own session was not saved: it is that of the process group that it leads. */
static pid_t session_of_group(const struct restore *rs, pid_t group)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		if (task->rec && !is_zombie(task) && (pid_t)le32_get(task->rec->pgid) == group)
			return (pid_t)le32_get(task->rec->sid);
	}
	return 0;
}

/* The session that a task must inherit; 0: any will do. */
static pid_t wanted_session(const struct restore *rs, const struct restore_task *task)
{
	if (leads_session(rs, task))
		return 0;
	if (is_zombie(task))
		return session_of_group(rs, task->vpid);
	return (pid_t)le32_get(task->rec->sid);
}

/* A living task that has something which the task, too, must have. */
static struct restore_task *next_sharer(const struct restore *rs, const struct restore_task *task,
					int share, struct restore_task *last)
{
	struct restore_task *end = rs->own->tasks + rs->own->task_count;

	for (struct restore_task *other = last ? last + 1 : rs->own->tasks; other < end; other++) {
		if (other->pid && other != task && other->groups[share] == task->groups[share])
			return other;
	}
	return NULL;
}

static bool has_all(const struct restore *rs, const struct restore_task *task,
		    const struct restore_task *maker)
{
	for (int share = 0; share < SHARE_COUNT; share++) {
		if (maker->groups[share] != task->groups[share] &&
		    next_sharer(rs, task, share, NULL))
			return false;
	}
	return true;
}

/* Who shares it can be made by none but its parent or a sibling that has all of it, and is in the
 * session. *ret_maker is NULL for a task that shares nothing with those that are there. */
static int find_maker(const struct restore *rs, struct restore_task *task,
		      struct restore_task **ret_maker, struct err *err)
{
	struct restore_task *parent = parent_of(rs, task);
	pid_t session = wanted_session(rs, task);
	bool is_sharing = false;

	*ret_maker = NULL;
	for (int share = 0; share < SHARE_COUNT; share++) {
		struct restore_task *other = NULL;

		while ((other = next_sharer(rs, task, share, other))) {
			bool is_sibling =
			    other->parent && parent_of(rs, other) == parent &&
			    le32_get(other->rec->exit_signal) == le32_get(task->rec->exit_signal);

			is_sharing = true;
			if ((other == parent || is_sibling) && has_all(rs, task, other) &&
			    (session == 0 || other->session == session)) {
				*ret_maker = other;
				return 0;
			}
		}
	}
	if (!is_sharing)
		return 0;
	return err_set(err, ERR_REFUSED,
		       "task %d shares memory, descriptors, directories or signal handlers with "
		       "tasks of which none can make it",
		       task->vpid);
}

static const uint64_t share_flags[SHARE_COUNT] = {
	[SHARE_MEMORY] = CLONE_VM,
	[SHARE_FILES] = CLONE_FILES,
	[SHARE_DIRECTORY] = CLONE_FS,
	[SHARE_HANDLERS] = CLONE_SIGHAND,
};

/* By who shares something with it; else by `maker`. */
static int make_task(struct restore *rs, const struct maker *maker, pid_t session,
		     struct restore_task *task, struct err *err)
{
	struct remote remote;
	struct restore_task *sharer;
	struct maker by = *maker;
	uint64_t flags = 0;
	int r = find_maker(rs, task, &sharer, err);

	if (r < 0)
		return r;
	for (int share = 0; sharer && share < SHARE_COUNT; share++) {
		if (sharer->groups[share] == task->groups[share])
			flags |= share_flags[share];
	}
	if (sharer && sharer != parent_of(rs, task))
		flags |= CLONE_PARENT;
	if (sharer) {
		by = (struct maker){ *remote_of(sharer), sharer->now };
		session = sharer->session;
	}
	r = restore_birth(rs, &by.remote, &by.now, flags, task, &remote, err);
	if (r < 0)
		return r;
	if (is_zombie(task) && !task->threads)
		task->threads = mem_alloc(8, sizeof(*task->threads));
	task->pid = remote.tid;
	task->session = session;
	task->threads[0].tid = remote.tid;
	task->threads[0].remote = remote;
	return 0;
}

struct restore_task *growth_task_by_vpid(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].vpid == vpid)
			return &rs->own->tasks[i];
	}
	return NULL;
}

/* From inside of a pid namespace, a group above cannot be joined: it is inherited. */
static int settle_group(struct restore *rs, struct restore_task *task,
			const struct restore_task *child, struct err *err)
{
	uint32_t group = task->rec ? le32_get(task->rec->pgid) : 0;
	struct restore_task *leader = growth_task_by_vpid(rs, (pid_t)group);

	if (!child->ns || group == 0 || le32_get(child->rec->pgid) != group ||
	    (pid_t)group == task->session || !leader || !leader->pid ||
	    task->now.ids[NAMESPACE_PID])
		return 0;
	if (leader != task && leader->session == task->session && !is_zombie(leader)) {
		int r =
		    growth_call(remote_of(leader), "lead a process group", SYS_setpgid, 0, 0, err);

		if (r < 0)
			return r;
	}
	return growth_call(remote_of(task), "join a process group", SYS_setpgid, 0, group, err);
}

/* Makes the children of `task` that want the session it is in now. */
static int make_children(struct restore *rs, struct restore_task *task, bool only_wanting,
			 struct err *err)
{
	for (size_t i = 1; i < rs->own->task_count; i++) {
		struct restore_task *child = &rs->own->tasks[i];
		pid_t wanted = wanted_session(rs, child);
		struct maker maker;
		int r;

		if (child->pid || parent_of(rs, child) != task)
			continue;
		if (wanted ? wanted != task->session : only_wanting)
			continue;
		maker = (struct maker){ *remote_of(task), task->now };
		r = settle_group(rs, task, child, err);
		if (r == 0)
			r = make_task(rs, &maker, task->session, child, err);
		if (r < 0)
			return r;
		/* It may have had a helper. */
		task->has_new_child |=
		    child->now.ids[NAMESPACE_PID] != task->now.ids[NAMESPACE_PID];
	}
	return 0;
}

/* The slave's descriptor in every task; -1: the session that this task leads has no terminal. */
int growth_terminal_of(const struct restore *rs, const struct restore_task *task)
{
	const struct ctty_rec *rec = task->rec ? ctty_of(rs->image, task->id) : NULL;

	if (!rec || le32_get(rec->flags) & CTTY_GIVEN_UP || le32_get(rec->terminal) == 0)
		return -1;
	return restore_fd(rs, le32_get(rec->terminal));
}

static int take_terminal(struct restore *rs, struct restore_task *task, struct err *err)
{
	int terminal = growth_terminal_of(rs, task);

	if (terminal < 0)
		return 0;
	return growth_call(remote_of(task), "take the controlling terminal", SYS_ioctl,
			   (uint64_t)terminal, TIOCSCTTY, err);
}

static int grow(struct restore *rs, struct restore_task *task, struct err *err)
{
	int r = 0;

	if (leads_session(rs, task) && task->session != task->vpid) {
		r = make_children(rs, task, true, err);
		if (r == 0)
			r = growth_call(remote_of(task), "start a session", SYS_setsid, 0, 0, err);
		if (r == 0)
			r = take_terminal(rs, task, err);
		if (r < 0)
			return r;
		task->session = task->vpid;
	}
	return make_children(rs, task, false, err);
}

/* ---- tasks that lost their parent ---- */

int growth_make_ghost(struct growth *growth, struct restore_task *parent, pid_t session,
		      const struct restore_pids *pids, struct err *err)
{
	struct ghost ghost = {
		.pids = *pids, .session = session, .parent = parent, .now = parent->now
	};
	int r = restore_clone(growth->rs, remote_of(parent), &parent->now, 0, SIGCHLD, pids,
			      &ghost.remote, err);

	if (r < 0)
		return r;
	array_grow(growth->ghosts, growth->ghost_count);
	growth->ghosts[growth->ghost_count++] = ghost;
	return 0;
}

static bool is_below(const struct restore *rs, struct restore_task *task,
		     const struct restore_task *parent)
{
	while (task != parent && task != init_of(rs))
		task = parent_of(rs, task);
	return task == parent;
}

static bool is_beside(const struct restore_place *place, const struct restore_task *parent)
{
	return place->ids[NAMESPACE_PID] == parent->now.ids[NAMESPACE_PID];
}

/* A member of the session of `task`, below `parent` and in its pid namespace, to whom the kernel
 * gives what the member's children leave behind; a leader is made where there is none. */
static int find_member(struct growth *growth, struct restore_task *task, pid_t session,
		       struct restore_task *parent, struct maker *ret_member, struct err *err)
{
	struct restore *rs = growth->rs;
	struct restore_pids pids = restore_pids_of(task, NSPROXY_SESSION, session);
	size_t level = namespace_level(rs->image, parent->now.ids[NAMESPACE_PID]);
	struct ghost *ghost;
	int r;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *other = &rs->own->tasks[i];

		if (other->pid && other->session == session && is_beside(&other->now, parent) &&
		    is_below(rs, other, parent)) {
			*ret_member = (struct maker){ *remote_of(other), other->now };
			return 0;
		}
	}
	for (size_t i = 0; i < growth->ghost_count; i++) {
		ghost = &growth->ghosts[i];
		if (ghost->session == session && is_beside(&ghost->now, parent) &&
		    is_below(rs, ghost->parent, parent)) {
			*ret_member = (struct maker){ ghost->remote, ghost->now };
			return 0;
		}
	}
	if (pids.count <= level)
		return err_set(err, ERR_REFUSED,
			       "task %d cannot be put into session %d, which leads out of its pid "
			       "namespace",
			       task->vpid, session);
	pids.count = level + 1;
	r = growth_make_ghost(growth, parent, session, &pids, err);
	if (r < 0)
		return r;
	ghost = &growth->ghosts[growth->ghost_count - 1];
	*ret_member = (struct maker){ ghost->remote, ghost->now };
	return growth_call(&ghost->remote, "start a session", SYS_setsid, 0, 0, err);
}

static int set_subreaper(struct restore *rs, struct restore_task *parent, bool on, struct err *err)
{
	if (parent == init_of(rs))
		return 0;
	return growth_call(remote_of(parent), "become a subreaper", SYS_prctl,
			   PR_SET_CHILD_SUBREAPER, on, err);
}

static int make_orphan(struct growth *growth, struct restore_task *task, struct err *err)
{
	struct restore *rs = growth->rs;
	struct restore_task *parent = parent_of(rs, task);
	pid_t session = wanted_session(rs, task);
	struct maker member;
	struct maker helper;
	pid_t temporary = restore_temporary_pid(rs);
	struct restore_pids pids;
	int r = find_member(growth, task, session, parent, &member, err);

	if (r < 0)
		return r;
	helper.now = member.now;
	pids = restore_pids_same(rs, member.now.ids[NAMESPACE_PID], temporary);
	r = set_subreaper(rs, parent, true, err);
	if (r == 0)
		r = restore_clone(rs, &member.remote, &member.now, 0, SIGCHLD, &pids,
				  &helper.remote, err);
	if (r == 0)
		r = make_task(rs, &helper, session, task, err);
	if (r == 0)
		r = restore_end_task(&helper.remote, 0, err);
	if (r == 0)
		r = reap(&member.remote, temporary, err);
	if (r == 0)
		r = set_subreaper(rs, parent, false, err);
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].pid == member.remote.tid)
			rs->own->tasks[i].has_new_child = true;
	}
	return r;
}

/* The deepest of those that have their parent: where a session's leader is gone, all of its members
 * come from the lowest place that it can have had. Tasks are listed by depth. */
static struct restore_task *next_orphan(const struct restore *rs)
{
	for (size_t i = rs->own->task_count; i-- > 1;) {
		struct restore_task *task = &rs->own->tasks[i];

		if (!task->pid && parent_of(rs, task)->pid)
			return task;
	}
	return NULL;
}

static int make_orphans(struct growth *growth, struct err *err)
{
	struct restore *rs = growth->rs;
	struct restore_task *orphan;

	while ((orphan = next_orphan(rs))) {
		int r = make_orphan(growth, orphan, err);

		/* Its children come after it in the list. */
		for (struct restore_task *task = orphan;
		     r == 0 && task < rs->own->tasks + rs->own->task_count; task++) {
			if (task->pid)
				r = grow(rs, task, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static pid_t innermost(const struct restore_pids *pids)
{
	return pids->pids[pids->count - 1];
}

static int end_ghosts(struct growth *growth, struct err *err)
{
	for (size_t i = 0; i < growth->ghost_count; i++) {
		struct ghost *ghost = &growth->ghosts[i];
		int r = restore_end_task(&ghost->remote, 0, err);

		if (r == 0)
			r = reap(remote_of(ghost->parent), innermost(&ghost->pids), err);
		if (r < 0)
			return r;
		ghost->parent->has_new_child = true;
	}
	return 0;
}

static int grow_all(struct growth *growth, struct err *err)
{
	struct restore *rs = growth->rs;
	int r = take_terminal(rs, init_of(rs), err);

	for (size_t i = 0; r == 0 && i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].pid)
			r = grow(rs, &rs->own->tasks[i], err);
	}
	if (r == 0)
		r = make_orphans(growth, err);
	if (r == 0)
		r = growth_lead_groups(rs, err);
	for (size_t i = 0; r == 0 && i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].rec && !is_zombie(&rs->own->tasks[i]))
			r = growth_join_group(growth, &rs->own->tasks[i], err);
	}
	if (r == 0)
		r = growth_set_foregrounds(growth, err);
	return r < 0 ? r : end_ghosts(growth, err);
}

int restore_make_tree(struct restore *rs, struct err *err)
{
	struct growth growth = { .rs = rs };
	int r;

	init_of(rs)->session = 1;
	r = grow_all(&growth, err);
	free(growth.ghosts);
	return r;
}
