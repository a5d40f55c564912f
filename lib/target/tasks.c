/* Which tasks belong to a target right now. See target.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* A process that has gone meanwhile is no error: false. */
static bool look_at(pid_t pid, struct buf *text, pid_t *ret_ppid, size_t *ret_depth)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	struct err err = ERR_NONE;
	auto_close int proc = -1;

	if (procfs_open_pid(pid, &proc, &err) < 0)
		return false;
	if (procfs_read(proc, "status", text, &err) < 0 ||
	    procfs_status_parse(text->data, &status, &err) < 0) {
		if (err.code != -ESRCH && err.code != -ENOENT)
			log_info("process %d: %s", pid, err.text);
		return false;
	}
	*ret_ppid = status.ppid;
	*ret_depth = status.ns_depth;
	return true;
}

static void add_task(struct tasks *tasks, const struct task *task)
{
	array_grow(tasks->list, tasks->count);
	tasks->list[tasks->count++] = *task;
}

/* Every parent decides. */
static void look_for_tree(pid_t pid, struct buf *text, struct tasks *tasks)
{
	struct task task = { .pid = pid, .is_unknown = true };
	size_t depth;

	if (look_at(pid, text, &task.ppid, &depth))
		add_task(tasks, &task);
}

/* A task that we may not look at belongs if its parent does: a namespace's orphans go to its init.
 * Looking at the parents of all that is hidden takes long on a host with many users; asking the few
 * that belong for their children does not, if the kernel can tell (CONFIG_PROC_CHILDREN). */
static bool add_children_of(pid_t pid, pid_t tid, struct buf *text, struct tasks *tasks)
{
	struct err ignored;
	char path[64];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	if (procfs_read(AT_FDCWD, path, text, &ignored) < 0)
		return ignored.code != -ENOENT;
	for (at = text->data; at && *at;) {
		char *end;
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			break;
		add_task(tasks, &(struct task){ .pid = child, .belongs = true });
		at = end + strspn(end, " ");
	}
	return true;
}

static bool add_children_of_threads(pid_t pid, struct buf *text, struct tasks *tasks)
{
	auto_closedir DIR *dir = NULL;
	const struct dirent *entry;
	char path[32];
	bool can_tell = true;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (tid > 0)
			can_tell &= add_children_of(pid, tid, text, tasks);
	}
	return can_tell;
}

static bool is_listed(const struct tasks *tasks, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++) {
		if (tasks->list[i].pid == pid)
			return true;
	}
	return false;
}

/* Adds the children of all that belong, and theirs. False if the kernel cannot tell. */
static bool add_families(struct tasks *tasks, struct buf *text)
{
	for (size_t i = 0; i < tasks->count; i++) {
		size_t kept = tasks->count;
		size_t before = kept;

		if (!add_children_of_threads(tasks->list[i].pid, text, tasks))
			return false;
		for (size_t j = before; j < tasks->count; j++) {
			if (!is_listed(tasks, kept, tasks->list[j].pid))
				tasks->list[kept++] = tasks->list[j];
		}
		tasks->count = kept;
	}
	return true;
}

static void look_at_hidden(const pid_t *hidden, size_t count, struct buf *text, struct tasks *tasks)
{
	for (size_t i = 0; i < count; i++) {
		struct task task = { .pid = hidden[i], .is_unknown = true };
		size_t depth;

		/* What is not below our namespace needs no second look. */
		if (look_at(hidden[i], text, &task.ppid, &depth) && depth > 1)
			add_task(tasks, &task);
	}
}

enum { FEW = 64 };

static int compare(const void *a, const void *b);

static void look_for_container(const pid_t *pids, size_t count, struct buf *text,
			       const struct pid_ns *ns, const struct pid_ns *own,
			       struct tasks *tasks)
{
	auto_free pid_t *hidden = NULL;
	size_t hidden_count = 0;

	for (size_t i = 0; i < count; i++) {
		enum pid_ns_place place = process_place(pids[i], ns, own);

		if (place == PID_NS_INSIDE)
			add_task(tasks, &(struct task){ .pid = pids[i], .belongs = true });
		if (place != PID_NS_HIDDEN)
			continue;
		array_grow(hidden, hidden_count);
		hidden[hidden_count++] = pids[i];
	}
	if (hidden_count == 0)
		return;
	if (tasks->count > FEW || tasks->count > hidden_count || !add_families(tasks, text))
		look_at_hidden(hidden, hidden_count, text, tasks);
	qsort(tasks->list, tasks->count, sizeof(*tasks->list), compare);
}

static int take_snapshot(const struct target *target, struct tasks *tasks, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free pid_t *pids = NULL;
	struct pid_ns ns, own;
	size_t count = 0;
	int r = process_list(&pids, &count, err);

	if (r == 0)
		r = process_pid_ns(getpid(), &own, err);
	if (r == 0 && target->form == TARGET_CONTAINER)
		r = process_pid_ns(target->init, &ns, err);
	if (r == 0 && target->form == TARGET_CONTAINER)
		look_for_container(pids, count, &text, &ns, &own, tasks);
	for (size_t i = 0; r == 0 && i < count && target->form == TARGET_TREE; i++)
		look_for_tree(pids[i], &text, tasks);
	for (size_t i = 0; i < tasks->count; i++) {
		if (tasks->list[i].pid == target->init)
			tasks->list[i].belongs = true;
	}
	return r;
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

int target_tasks(const struct target *target, pid_t **ret_pids, size_t *ret_count, struct err *err)
{
	auto_with(tasks_free) struct tasks tasks = { .list = NULL };
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = take_snapshot(target, &tasks, err);

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
