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
#include "restore/restore.h"

/* A task that is not in the image, alive while the tree is made. */
struct ghost {
	struct remote remote;
	pid_t vpid;
	pid_t session;
	struct restore_task *parent;
};

struct growth {
	struct restore *rs;
	struct ghost *ghosts; /* owned */
	size_t ghost_count;
};

static bool is_zombie(const struct restore_task *task)
{
	return task->rec && le32_get(task->rec->flags) & TASK_ZOMBIE;
}

static struct remote *remote_of(struct restore_task *task)
{
	return &task->threads[0].remote;
}

static struct restore_task *init_of(const struct restore *rs)
{
	return &rs->own->tasks[0];
}

static struct restore_task *parent_of(const struct restore *rs, struct restore_task *task)
{
	return task->parent ? task->parent : init_of(rs);
}

/* ---- calls inside ---- */

static int call(struct remote *remote, const char *name, long nr, uint64_t a, uint64_t b,
		struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;

	script_init(&script, remote);
	(void)script_syscall(&script, name, 0, nr, a, b);
	return script_run(&script, err);
}

static int end_task(struct remote *remote, int status, struct err *err)
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
	return call(parent, "wait for a helper", SYS_wait4, (uint64_t)vpid, 0, err);
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

/* The session that a task must inherit; 0: any will do. */
static pid_t wanted_session(const struct restore *rs, const struct restore_task *task)
{
	if (is_zombie(task) || leads_session(rs, task))
		return 0;
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

/* Who shares it can be made by none but its parent or a sibling that has all of it. *ret_maker is
 * NULL for a task that shares nothing with those that are there. */
static int find_maker(const struct restore *rs, struct restore_task *task,
		      struct restore_task **ret_maker, struct err *err)
{
	struct restore_task *parent = parent_of(rs, task);
	bool is_sharing = false;

	*ret_maker = NULL;
	for (int share = 0; share < SHARE_COUNT; share++) {
		struct restore_task *other = NULL;

		while ((other = next_sharer(rs, task, share, other))) {
			bool is_sibling =
			    other->parent && parent_of(rs, other) == parent &&
			    le32_get(other->rec->exit_signal) == le32_get(task->rec->exit_signal);

			is_sharing = true;
			if ((other == parent || is_sibling) && has_all(rs, task, other)) {
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

/* By who shares something with it; else by `creator`. */
static int make_task(struct restore *rs, struct remote *creator, pid_t session,
		     struct restore_task *task, struct err *err)
{
	struct remote remote;
	struct restore_task *maker;
	int exit_signal = (int)le32_get(task->rec->exit_signal);
	uint64_t flags = 0;
	int r = find_maker(rs, task, &maker, err);

	if (r < 0)
		return r;
	for (int share = 0; maker && share < SHARE_COUNT; share++) {
		if (maker->groups[share] == task->groups[share])
			flags |= share_flags[share];
	}
	if (maker && maker != parent_of(rs, task)) {
		flags |= CLONE_PARENT; /* its exit signal is the maker's */
		exit_signal = 0;
	}
	if (maker)
		session = maker->session;
	r = restore_clone(maker ? remote_of(maker) : creator, flags, exit_signal, task->vpid,
			  &remote, err);
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

/* Makes the children of `task` that want the session it is in now. */
static int make_children(struct restore *rs, struct restore_task *task, bool only_wanting,
			 struct err *err)
{
	for (size_t i = 1; i < rs->own->task_count; i++) {
		struct restore_task *child = &rs->own->tasks[i];
		pid_t wanted = wanted_session(rs, child);
		int r;

		if (child->pid || parent_of(rs, child) != task)
			continue;
		if (wanted ? wanted != task->session : only_wanting)
			continue;
		r = make_task(rs, remote_of(task), task->session, child, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The slave's descriptor in every task; -1: the session that this task leads has no terminal. */
static int terminal_of(const struct restore *rs, const struct restore_task *task)
{
	const struct ctty_rec *rec = task->rec ? ctty_of(rs->image, task->id) : NULL;

	if (!rec || le32_get(rec->flags) & CTTY_GIVEN_UP || le32_get(rec->terminal) == 0)
		return -1;
	return restore_fd(rs, le32_get(rec->terminal));
}

static int take_terminal(struct restore *rs, struct restore_task *task, struct err *err)
{
	int terminal = terminal_of(rs, task);

	if (terminal < 0)
		return 0;
	return call(remote_of(task), "take the controlling terminal", SYS_ioctl, (uint64_t)terminal,
		    TIOCSCTTY, err);
}

static int grow(struct restore *rs, struct restore_task *task, struct err *err)
{
	int r = 0;

	if (leads_session(rs, task) && task->session != task->vpid) {
		r = make_children(rs, task, true, err);
		if (r == 0)
			r = call(remote_of(task), "start a session", SYS_setsid, 0, 0, err);
		if (r == 0)
			r = take_terminal(rs, task, err);
		if (r < 0)
			return r;
		task->session = task->vpid;
	}
	return make_children(rs, task, false, err);
}

/* ---- tasks that lost their parent ---- */

static bool is_saved_pid(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		if (task->vpid == vpid || names_session(rs, vpid) ||
		    (task->rec && (pid_t)le32_get(task->rec->pgid) == vpid))
			return true;
		for (size_t j = 0; j < task->thread_count; j++) {
			if (task->threads[j].vtid == vpid)
				return true;
		}
	}
	return false;
}

/* A pid for a helper: the kernel's own choice could be one that is needed later. */
static pid_t temporary_pid(struct restore *rs)
{
	do
		rs->own->temporary++;
	while (rs->own->temporary == 1 || is_saved_pid(rs, rs->own->temporary));
	return rs->own->temporary;
}

static int make_ghost(struct growth *growth, struct remote *creator, pid_t session,
		      struct restore_task *parent, pid_t vpid, struct err *err)
{
	struct ghost ghost = { .vpid = vpid, .session = session, .parent = parent };
	int r = restore_clone(creator, 0, SIGCHLD, vpid, &ghost.remote, err);

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

/* A member of the session, below `parent`, to whom the kernel gives what the member's children
 * leave behind; a leader is made where there is none. */
static int find_member(struct growth *growth, pid_t session, struct restore_task *parent,
		       struct remote **ret_member, struct err *err)
{
	struct restore *rs = growth->rs;
	struct ghost *ghost;
	int r;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];

		if (task->pid && task->session == session && is_below(rs, task, parent)) {
			*ret_member = remote_of(task);
			return 0;
		}
	}
	for (size_t i = 0; i < growth->ghost_count; i++) {
		ghost = &growth->ghosts[i];
		if (ghost->session == session && is_below(rs, ghost->parent, parent)) {
			*ret_member = &ghost->remote;
			return 0;
		}
	}
	r = make_ghost(growth, remote_of(parent), session, parent, session, err);
	if (r < 0)
		return r;
	ghost = &growth->ghosts[growth->ghost_count - 1];
	*ret_member = &ghost->remote;
	return call(&ghost->remote, "start a session", SYS_setsid, 0, 0, err);
}

static int check_parent(const struct restore *rs, struct restore_task *task, struct err *err)
{
	auto_close int proc = -1;
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_stat stat;
	int r = procfs_open_pid(task->pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data, &stat, err);
	if (r == 0 && stat.ppid != parent_of(rs, task)->pid)
		return err_set(err, ERR_REFUSED,
			       "task %d cannot be put into session %u below its parent %d",
			       task->vpid, le32_get(task->rec->sid), parent_of(rs, task)->vpid);
	return r;
}

static int set_subreaper(struct restore *rs, struct restore_task *parent, bool on, struct err *err)
{
	if (parent == init_of(rs))
		return 0;
	return call(remote_of(parent), "become a subreaper", SYS_prctl, PR_SET_CHILD_SUBREAPER, on,
		    err);
}

static int make_orphan(struct growth *growth, struct restore_task *task, struct err *err)
{
	struct restore *rs = growth->rs;
	struct restore_task *parent = parent_of(rs, task);
	pid_t session = wanted_session(rs, task);
	struct remote *found;
	struct remote member;
	struct remote helper;
	pid_t temporary = temporary_pid(rs);
	int r = find_member(growth, session, parent, &found, err);

	if (r < 0)
		return r;
	member = *found;
	r = set_subreaper(rs, parent, true, err);
	if (r == 0)
		r = restore_clone(&member, 0, SIGCHLD, temporary, &helper, err);
	if (r == 0)
		r = make_task(rs, &helper, session, task, err);
	if (r == 0)
		r = end_task(&helper, 0, err);
	if (r == 0)
		r = reap(&member, temporary, err);
	if (r == 0)
		r = set_subreaper(rs, parent, false, err);
	if (r == 0)
		r = check_parent(rs, task, err);
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].pid == member.tid)
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

/* ---- process groups ---- */

static bool names_group(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct task_rec *rec = rs->own->tasks[i].rec;

		if (rec && !is_zombie(&rs->own->tasks[i]) && (pid_t)le32_get(rec->pgid) == vpid)
			return true;
	}
	return false;
}

static struct restore_task *task_by_vpid(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].vpid == vpid)
			return &rs->own->tasks[i];
	}
	return NULL;
}

static int lead_groups(struct restore *rs, struct err *err)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r;

		if (task->session == task->vpid || !names_group(rs, task->vpid))
			continue;
		r = call(remote_of(task), "lead a process group", SYS_setpgid, 0, 0, err);
		if (r < 0)
			return err_wrap(err, "task %d", task->vpid);
	}
	return 0;
}

static bool has_ghost(const struct growth *growth, pid_t vpid)
{
	for (size_t i = 0; i < growth->ghost_count; i++) {
		if (growth->ghosts[i].vpid == vpid)
			return true;
	}
	return false;
}

static int join_group(struct growth *growth, struct restore_task *task, struct err *err)
{
	struct restore *rs = growth->rs;
	pid_t group = (pid_t)le32_get(task->rec->pgid);
	int r = 0;

	if (group == 0 || group == task->vpid || task->session == task->vpid)
		return 0;
	if (!task_by_vpid(rs, group) && !has_ghost(growth, group)) {
		r = make_ghost(growth, remote_of(task), task->session, task, group, err);
		if (r == 0)
			r = call(&growth->ghosts[growth->ghost_count - 1].remote,
				 "lead a process group", SYS_setpgid, 0, 0, err);
	}
	if (r == 0)
		r = call(remote_of(task), "join a process group", SYS_setpgid, 0, (uint64_t)group,
			 err);
	return r < 0 ? err_wrap(err, "task %d", task->vpid) : 0;
}

/* ---- foreground groups ---- */

static bool is_group_of(const struct restore_task *task, pid_t group)
{
	return task->rec && !is_zombie(task) && (pid_t)le32_get(task->rec->pgid) == group;
}

/* A group that all members have left is still a terminal's foreground group. */
static int find_group(struct growth *growth, struct restore_task *leader, pid_t group,
		      bool *ret_is_there, struct err *err)
{
	struct restore *rs = growth->rs;
	int r;

	*ret_is_there = true;
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (is_group_of(&rs->own->tasks[i], group))
			return 0;
	}
	if (has_ghost(growth, group))
		return 0;
	*ret_is_there = !is_saved_pid(rs, group);
	if (!*ret_is_there) {
		restore_note(rs,
			     "the foreground group of session %d has ended, and its number is "
			     "another's: now it is the session's own",
			     leader->vpid);
		return 0;
	}
	r = make_ghost(growth, remote_of(leader), leader->session, leader, group, err);
	if (r < 0)
		return r;
	return call(&growth->ghosts[growth->ghost_count - 1].remote, "lead a process group",
		    SYS_setpgid, 0, 0, err);
}

/* Only now do the groups exist. The leader is in the foreground yet. */
static int set_foreground(struct growth *growth, struct restore_task *leader, struct err *err)
{
	const struct ctty_rec *rec = ctty_of(growth->rs->image, leader->id);
	int terminal = terminal_of(growth->rs, leader);
	auto_script struct script script = SCRIPT_NONE;
	uint32_t group = rec ? le32_get(rec->foreground) : 0;
	bool is_there = false;
	int r = 0;

	if (terminal >= 0 && group != 0)
		r = find_group(growth, leader, (pid_t)group, &is_there, err);
	if (r < 0 || !is_there)
		return r;
	script_init(&script, remote_of(leader));
	(void)script_syscall(&script, "set the foreground group", 0, SYS_ioctl, (uint64_t)terminal,
			     TIOCSPGRP, script_copy(&script, &group, sizeof(group)));
	return script_run(&script, err);
}

static int set_foregrounds(struct growth *growth, struct err *err)
{
	struct restore *rs = growth->rs;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		int r = 0;

		if (rs->own->tasks[i].rec && !is_zombie(&rs->own->tasks[i]))
			r = set_foreground(growth, &rs->own->tasks[i], err);
		if (r < 0)
			return err_wrap(err, "task %d", rs->own->tasks[i].vpid);
	}
	return 0;
}

static int end_ghosts(struct growth *growth, struct err *err)
{
	for (size_t i = 0; i < growth->ghost_count; i++) {
		struct ghost *ghost = &growth->ghosts[i];
		int r = end_task(&ghost->remote, 0, err);

		if (r == 0)
			r = reap(remote_of(ghost->parent), ghost->vpid, err);
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
		r = lead_groups(rs, err);
	for (size_t i = 0; r == 0 && i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].rec && !is_zombie(&rs->own->tasks[i]))
			r = join_group(growth, &rs->own->tasks[i], err);
	}
	if (r == 0)
		r = set_foregrounds(growth, err);
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

/* ---- threads and the dead ---- */

int restore_make_threads(struct restore *rs, struct err *err)
{
	static const uint64_t flags =
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];

		for (size_t j = 1; j < task->thread_count; j++) {
			struct restore_thread *thread = &task->threads[j];
			int r = restore_clone(remote_of(task), flags, 0, thread->vtid,
					      &thread->remote, err);

			if (r < 0)
				return r;
			thread->tid = thread->remote.tid;
		}
	}
	return 0;
}

/* Its exit code, by the same road: exit(2) or a signal. No core is dumped a second time. */
static int die(struct restore_task *task, struct err *err)
{
	static const struct {
		uint64_t soft, hard;
	} no_core;
	uint32_t code = le32_get(task->rec->exit_code);
	uint64_t open_mask = 0;
	auto_script struct script script = SCRIPT_NONE;
	int status;
	int r;

	if ((code & 0x7f) == 0)
		return end_task(remote_of(task), (int)(code >> 8), err);
	if (ptrace(PTRACE_SETSIGMASK, task->pid, sizeof(open_mask), &open_mask) < 0)
		return err_set(err, -errno, "unblock signals");
	script_init(&script, remote_of(task));
	(void)script_syscall(&script, "limit cores", 0, SYS_prlimit64, 0, 4 /* RLIMIT_CORE */,
			     script_copy(&script, &no_core, sizeof(no_core)), 0);
	(void)script_syscall(&script, "die by a signal", 0, SYS_kill, (uint64_t)task->vpid,
			     code & 0x7f);
	r = script_start(&script, err);
	return r < 0 ? r : script_wait_death(&script, &status, err);
}

int restore_make_zombies(struct restore *rs, struct err *err)
{
	for (size_t i = 1; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r;

		if (!is_zombie(task))
			continue;
		r = die(task, err);
		if (r < 0)
			return err_wrap(err, "task %d", task->vpid);
		parent_of(rs, task)->has_new_child = true;
	}
	return 0;
}
