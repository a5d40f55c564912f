/* How tasks come into the namespaces that they cannot leave or enter later: pid namespaces.
 *
 * A task that is in another pid namespace than its parent is made by a helper: a child of the same
 * parent, which enters the user namespace that owns the pid namespace, makes or enters that, makes
 * the task as a child of its own parent (CLONE_PARENT), and ends. So no parent has to give up
 * what it needs for its other children. */
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "restore/restore.h"

/* ---- pids ---- */

static uint32_t pid_ns_of(const struct restore_task *task)
{
	return task->ns ? le32_get(task->ns->ids[NAMESPACE_PID]) : 0;
}

static size_t levels_of(const struct restore_task *task)
{
	return task->ns ? le32_get(task->ns->level_count) : 0;
}

struct restore_pids restore_pids_of(const struct restore_task *task, size_t row, pid_t outer)
{
	struct restore_pids pids = { .count = 1, .pids = { outer } };

	for (size_t level = 1; level <= levels_of(task); level++) {
		uint32_t pid = nsproxy_pid(task->ns, row, level);

		if (pid == 0)
			break;
		pids.pids[pids.count++] = (pid_t)pid;
	}
	return pids;
}

struct restore_pids restore_pids_same(const struct restore *rs, uint32_t pid_ns, pid_t pid)
{
	struct restore_pids pids = { .count = 1 + namespace_level(rs->image, pid_ns) };

	for (size_t i = 0; i < pids.count; i++)
		pids.pids[i] = pid;
	return pids;
}

static bool is_first(const struct restore_task *task)
{
	size_t levels = levels_of(task);

	return levels > 0 && nsproxy_pid(task->ns, NSPROXY_THREADS, levels) == 1;
}

struct restore_task *restore_init_of(const struct restore *rs, uint32_t pid_ns)
{
	for (size_t i = 1; pid_ns && i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];

		if (pid_ns_of(task) == pid_ns && is_first(task))
			return task;
	}
	return pid_ns ? NULL : &rs->own->tasks[0];
}

static bool has_pid(const struct restore_task *task, pid_t pid)
{
	if (task->vpid == pid || (task->rec && ((pid_t)le32_get(task->rec->sid) == pid ||
						(pid_t)le32_get(task->rec->pgid) == pid)))
		return true;
	for (size_t i = 0; i < task->thread_count; i++) {
		if (task->threads[i].vtid == pid)
			return true;
	}
	return false;
}

/* In namespaces below the container's. */
static bool has_nested_pid(const struct restore_task *task, pid_t pid)
{
	const struct nsproxy_rec *ns = task->ns;
	size_t count = levels_of(task);

	count *= ns ? NSPROXY_THREADS + (size_t)le32_get(ns->thread_count) : 0;
	for (size_t i = 0; i < count; i++) {
		if ((pid_t)le32_get(ns->pids[i]) == pid)
			return true;
	}
	return false;
}

bool restore_has_pid(const struct restore *rs, pid_t pid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (has_pid(&rs->own->tasks[i], pid))
			return true;
	}
	return false;
}

/* It may be made in any namespace. */
static bool is_taken(const struct restore *rs, pid_t pid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (has_nested_pid(&rs->own->tasks[i], pid))
			return true;
	}
	return pid == 1 || restore_has_pid(rs, pid);
}

pid_t restore_temporary_pid(struct restore *rs)
{
	do
		rs->own->temporary++;
	while (is_taken(rs, rs->own->temporary));
	return rs->own->temporary;
}

/* ---- the list of tasks ---- */

/* Each pid namespace has one first task, which a task of the one above has made. */
int restore_check_namespaces(const struct restore *rs, struct err *err)
{
	const struct record *record = NULL;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];
		size_t threads = task->thread_count ? task->thread_count : 1;

		if (task->ns && le32_get(task->ns->thread_count) != threads)
			return err_set(err, ERR_DAMAGED, "task %d: not as many pids as threads",
				       task->vpid);
		if (is_first(task) && restore_init_of(rs, pid_ns_of(task)) != task)
			return err_set(err, ERR_DAMAGED, "task %d: a second init", task->vpid);
	}
	while ((record = image_next(rs->image, TAG_NAMESPACE, record))) {
		const struct namespace_rec *rec = record->body;
		const struct restore_task *init;

		if (le32_get(rec->type) != NAMESPACE_PID)
			continue;
		init = restore_init_of(rs, record->id);
		if (!init || le32_get(init->rec->flags) & TASK_ZOMBIE ||
		    (init->parent ? pid_ns_of(init->parent) : 0) != le32_get(rec->parent))
			return err_set(err, ERR_DAMAGED, "pid namespace %u has no init",
				       record->id);
	}
	return 0;
}

/* ---- calls ---- */

int restore_call(struct remote *remote, const char *name, long nr, uint64_t a, uint64_t b,
		 uint64_t c, int64_t *ret_result, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	size_t step;
	int r;

	script_init(&script, remote);
	step = script_syscall(&script, name, 0, nr, a, b, c);
	r = script_run(&script, err);
	if (r == 0 && ret_result)
		*ret_result = script_result(&script, step);
	return r;
}

/* The children of this task will be in the pid namespace of that one. */
int restore_enter_pid_namespace(struct restore *rs, struct remote *remote, uint32_t own,
				uint32_t pid_ns, struct err *err)
{
	struct restore_task *init = restore_init_of(rs, pid_ns);
	size_t level = namespace_level(rs->image, own);
	struct restore_pids pids = restore_pids_of(init, NSPROXY_THREADS, init->vpid);
	int64_t pidfd;
	int r = restore_call(remote, "open a first task", SYS_pidfd_open,
			     (uint64_t)pids.pids[level], 0, 0, &pidfd, err);

	if (r == 0)
		r = restore_call(remote, "enter a pid namespace", SYS_setns, (uint64_t)pidfd,
				 CLONE_NEWPID, 0, NULL, err);
	if (r == 0)
		r = restore_call(remote, "close", SYS_close, (uint64_t)pidfd, 0, 0, NULL, err);
	return r;
}

/* ---- helpers ---- */

/* Its parent is in the user namespace that owns the pid namespace above, or further up; below that
 * is what owns this one (kind namespace). */
static int make_pid_namespace(struct restore *rs, struct remote *helper,
			      struct restore_place *place, const struct restore_task *task,
			      struct err *err)
{
	const struct namespace_rec *rec = namespace_find(rs->image, pid_ns_of(task));
	int r = restore_enter_for(rs, helper, place, task, le32_get(rec->owner), err);

	if (r < 0)
		return r;
	return restore_call(helper, "create a pid namespace", SYS_unshare, CLONE_NEWPID, 0, 0, NULL,
			    err);
}

static int prepare_helper(struct restore *rs, struct remote *helper, struct restore_place *place,
			  const struct restore_task *task, struct err *err)
{
	uint32_t pid_ns = pid_ns_of(task);
	int r;

	if (is_first(task))
		r = make_pid_namespace(rs, helper, place, task, err);
	else
		r = restore_enter_pid_namespace(rs, helper, place->ids[NAMESPACE_PID], pid_ns, err);
	place->ids[NAMESPACE_PID] = pid_ns;
	return r;
}

static int end_helper(struct remote *parent, struct remote *helper, pid_t pid, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	int status;
	int r;

	script_init(&script, helper);
	(void)script_syscall(&script, "exit", 0, SYS_exit_group, 0);
	r = script_start(&script, err);
	if (r == 0)
		r = script_wait_death(&script, &status, err);
	if (r == 0)
		r = restore_call(parent, "wait for a helper", SYS_wait4, (uint64_t)pid, 0, __WALL,
				 NULL, err);
	return r;
}

static int by_helper(struct restore *rs, struct remote *parent, const struct restore_place *at,
		     uint64_t flags, struct restore_task *task, struct remote *ret_child,
		     struct err *err)
{
	pid_t temporary = restore_temporary_pid(rs);
	struct restore_pids own = restore_pids_same(rs, at->ids[NAMESPACE_PID], temporary);
	struct restore_pids pids = restore_pids_of(task, NSPROXY_THREADS, task->vpid);
	struct restore_place place = *at;
	struct remote helper;
	int r;

	if (flags & CLONE_PARENT)
		return err_set(err, ERR_REFUSED,
			       "it shares something with a sibling in another pid namespace");
	/* A child made by CLONE_PARENT has the exit signal of who makes it. */
	r = restore_clone(rs, parent, at, flags, (int)le32_get(task->rec->exit_signal), &own,
			  &helper, err);
	if (r == 0)
		r = prepare_helper(rs, &helper, &place, task, err);
	if (r == 0)
		r = restore_clone(rs, &helper, &place, flags | CLONE_PARENT, 0, &pids, ret_child,
				  err);
	if (r == 0)
		r = end_helper(parent, &helper, temporary, err);
	task->now = place;
	return r;
}

int restore_birth(struct restore *rs, struct remote *parent, const struct restore_place *at,
		  uint64_t flags, struct restore_task *task, struct remote *ret_child,
		  struct err *err)
{
	struct restore_pids pids = restore_pids_of(task, NSPROXY_THREADS, task->vpid);
	int exit_signal = flags & CLONE_PARENT ? 0 : (int)le32_get(task->rec->exit_signal);
	int r;

	if (pid_ns_of(task) != at->ids[NAMESPACE_PID]) {
		r = by_helper(rs, parent, at, flags, task, ret_child, err);
		return r < 0 ? err_wrap(err, "task %d", task->vpid) : 0;
	}
	task->now = *at;
	return restore_clone(rs, parent, at, flags, exit_signal, &pids, ret_child, err);
}
