/* Which tasks belong to a target right now. See target.h. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "target/process.h"
#include "target/target.h"

struct task {
	pid_t pid;
	pid_t ppid;
	bool belongs;
	bool is_unknown; /* its pid namespace is hidden from us: its parent decides */
};

struct tasks {
	struct task *list; /* owned; rising */
	size_t count;
};

static void tasks_free(struct tasks *tasks)
{
	free(tasks->list);
}

/* A process that has gone meanwhile is no error. Answers false then. Only status is read, since
 * this is done for every process of the host. */
static bool look_at(pid_t pid, struct buf *text, int *ret_proc, pid_t *ret_ppid, size_t *ret_depth)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	struct err err = ERR_NONE;

	if (procfs_open_pid(pid, ret_proc, &err) < 0)
		return false;
	if (procfs_read(*ret_proc, "status", text, &err) < 0 ||
	    procfs_status_parse(text->data, &status, &err) < 0) {
		if (err.code != -ESRCH && err.code != -ENOENT)
			log_info("process %d: %s", pid, err.text);
		return false;
	}
	*ret_ppid = status.ppid;
	*ret_depth = status.ns_depth;
	return true;
}

static void judge(struct task *task, int proc, size_t depth, const struct pid_ns *ns)
{
	struct err err = ERR_NONE;
	struct pid_ns found;

	if (depth < ns->depth)
		return;
	if (process_pid_ns(proc, depth, ns->depth, &found, &err) < 0)
		task->is_unknown = err.code == -EACCES || err.code == -EPERM;
	else
		task->belongs = found.dev == ns->dev && found.ino == ns->ino;
}

/* `ns`: NULL for a tree, where every parent decides. */
static int take_snapshot(pid_t init, const struct pid_ns *ns, struct tasks *tasks, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = process_list(&pids, &count, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		auto_close int proc = -1;
		struct task task = { .pid = pids[i], .is_unknown = !ns };
		size_t depth;

		if (!look_at(pids[i], &text, &proc, &task.ppid, &depth))
			continue;
		if (ns)
			judge(&task, proc, depth, ns);
		if (task.pid == init)
			task.belongs = true;
		array_grow(tasks->list, tasks->count);
		tasks->list[tasks->count++] = task;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	pid_t x = ((const struct task *)a)->pid, y = ((const struct task *)b)->pid;

	return (x > y) - (x < y);
}

static void add_children(struct tasks *tasks)
{
	bool has_changed;

	do {
		has_changed = false;
		for (size_t i = 0; i < tasks->count; i++) {
			struct task *task = &tasks->list[i];
			struct task key = { .pid = task->ppid };
			const struct task *parent;

			if (task->belongs || !task->is_unknown)
				continue;
			parent = bsearch(&key, tasks->list, tasks->count, sizeof(key), compare);
			if (!parent || !parent->belongs)
				continue;
			task->belongs = true;
			has_changed = true;
		}
	} while (has_changed);
}

static int get_pid_ns(pid_t init, struct pid_ns *ret_ns, struct err *err)
{
	auto_close int proc = -1;
	struct process process;
	int r = procfs_open_pid(init, &proc, err);

	if (r == 0)
		r = process_read(proc, &process, err);
	if (r == 0)
		r = process_pid_ns(proc, process.ns_depth, process.ns_depth, ret_ns, err);
	if (r < 0)
		return err_wrap(err, "process %d", init);
	return 0;
}

int target_tasks(const struct target *target, pid_t **ret_pids, size_t *ret_count, struct err *err)
{
	auto_with(tasks_free) struct tasks tasks = { .list = NULL };
	bool is_tree = target->form == TARGET_TREE;
	auto_free pid_t *pids = NULL;
	struct pid_ns ns;
	size_t count = 0;
	int r = 0;

	if (!is_tree)
		r = get_pid_ns(target->init, &ns, err);
	if (r == 0)
		r = take_snapshot(target->init, is_tree ? NULL : &ns, &tasks, err);
	/* While the pidfd's process exists, its number is not another's. */
	if (sys_pidfd_send_signal(target->pidfd, 0) == -ESRCH)
		return err_set(err, ERR_FAILED, "the container has ended");
	if (r < 0)
		return r;

	add_children(&tasks);
	for (size_t i = 0; i < tasks.count; i++) {
		if (!tasks.list[i].belongs)
			continue;
		array_grow(pids, count);
		pids[count++] = tasks.list[i].pid;
	}
	*ret_pids = take_ptr(pids);
	*ret_count = count;
	return 0;
}
