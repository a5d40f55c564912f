/* The walk over a target's threads that seizes those not held yet. See tasks.h.
 *
 * New tasks of a seized one are seized by the kernel before they run (PTRACE_O_TRACE*), so that
 * every walk leaves fewer to find. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "freeze/deadline.h"
#include "freeze/tasks.h"

#define ATTEMPTS       3
#define CHILDREN_PIECE 4096

struct walk {
	struct tasks *tasks;
	const struct target *target;
	bool is_frozen1;
	uint64_t deadline;
	size_t found;
	/* A thread was gone when its turn came: it may be there by another number. */
	bool is_unsure;
};

/* PTRACE_SEIZE of a stopped task returns when it has moved from its stop into ours, which v1 does
 * not let it do: we would hang. A frozen task's state letter does not tell, its place does; where
 * the kernel hides that ("0"), all have to wait for the thaw. */
static bool is_stopped1(pid_t pid, pid_t tid)
{
	char place[64];

	if (!task_read(pid, tid, "wchan", place, sizeof(place)))
		return true;
	return strcmp(place, "0") == 0 || strncmp(place, "do_signal_stop", 14) == 0 ||
	       strncmp(place, "get_signal", 10) == 0;
}

static void hold(struct walk *walk, pid_t tid)
{
	(void)ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	tasks_add(walk->tasks, tid)->state = TASK_RUNNING;
	walk->found++;
}

/* Why can't it be seized? 0: it is dead, or ours already. -EAGAIN: it may not. */
static int explain_refusal(struct walk *walk, pid_t pid, pid_t tid, struct err *err)
{
	struct procfs_status status = { .pid = tid };
	char letter = task_state_letter(pid, tid);
	struct err ignored = ERR_NONE;
	pid_t tracer;
	uint32_t uid;

	if (letter == 'Z' && pid == tid) {
		tasks_add(walk->tasks, tid)->state = TASK_ZOMBIE;
		return 0;
	}
	if (procfs_status_read(tid, &status, &ignored) < 0) {
		walk->is_unsure = true;
		return 0;
	}
	tracer = status.tracer;
	uid = status.uid[0];
	procfs_status_free(&status);

	if (letter == '\0' || letter == 'Z' || letter == 'X') {
		/* For a dead thread that is traced, it takes the tracer to make it go. */
		walk->is_unsure = walk->is_unsure || tracer == 0;
		return 0;
	}
	if (tracer == gettid()) {
		hold(walk, tid);
		return 0;
	}
	if (tracer) {
		(void)err_set(err, ERR_REFUSED, "task %s is traced by task %s",
			      task_label(tid).text, task_label(tracer).text);
		return err_hint(err, "a task can have one tracer only: end that one first");
	}
	(void)err_set(err, -EPERM, "seize task %s of user %u", task_label(tid).text, uid);
	(void)err_hint(err, "only its own user may freeze it, if it has not gained privileges, "
			    "or root");
	return -EAGAIN;
}

static int hang_error(pid_t tid, struct err *err)
{
	(void)err_set(err, ERR_FAILED, "task %s executes a program and does not get on",
		      task_label(tid).text);
	return err_hint(err, "see who traces its other threads, or where the program's file is");
}

/* A leader that another thread is just about to replace, by executing a program, can't be seized
 * and looks alive when we ask why: hence the attempts. Once it is replaced, that other thread's own
 * number is nobody's. */
static int seize(struct walk *walk, pid_t pid, pid_t tid, struct err *err)
{
	int r = -EAGAIN;

	if (walk->is_frozen1 && is_stopped1(pid, tid))
		return 0;
	for (int attempt = 0; r == -EAGAIN && attempt < ATTEMPTS; attempt++) {
		if (ptrace(PTRACE_SEIZE, tid, 0, TASKS_OPTIONS) == 0) {
			hold(walk, tid);
			return 0;
		}
		if (errno == ESRCH) {
			walk->is_unsure = true;
			return 0;
		}
		if (errno == EINTR)
			return hang_error(tid, err);
		r = explain_refusal(walk, pid, tid, err);
	}
	return r == -EAGAIN ? err->code : r;
}

/* Zombies are tried again: where another thread executes a program, it takes over the tid. */
static int visit_thread(struct walk *walk, pid_t pid, pid_t tid, struct err *err)
{
	struct task *task = tasks_find(walk->tasks, tid);

	if (!task || task->state == TASK_GONE || task->state == TASK_ZOMBIE) {
		int r = seize(walk, pid, tid, err);

		if (r < 0)
			return r;
		task = tasks_find(walk->tasks, tid);
	}
	if (task) {
		task->pid = pid;
		task->walk = walk->tasks->walk;
	}
	return 0;
}

/* Is the leader dead, and are these all threads? Else a thread that executes a program may be
 * taking its place, and was not listed. */
static bool is_dead_leader(pid_t pid, uint32_t threads)
{
	struct procfs_status status = { .pid = pid };
	struct err ignored = ERR_NONE;
	uint32_t count;

	if (procfs_status_read(pid, &status, &ignored) < 0)
		return false;
	count = status.thread_count;
	procfs_status_free(&status);
	return count == threads && task_state_letter(pid, pid) == 'Z';
}

static int visit_threads(struct walk *walk, pid_t pid, struct err *err)
{
	char path[32];
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;
	const struct task *leader;
	uint32_t count = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	list = opendir(path);
	if (!list)
		return errno == ENOENT || errno == ESRCH ? 0
							 : err_set(err, -errno, "open %s", path);
	while ((entry = readdir(list))) {
		pid_t tid = atoi(entry->d_name);
		int r = tid > 0 ? visit_thread(walk, pid, tid, err) : 0;

		if (r < 0)
			return r;
		count += tid > 0;
	}
	leader = tasks_find(walk->tasks, pid);
	if (leader && leader->state == TASK_ZOMBIE && !is_dead_leader(pid, count))
		walk->is_unsure = true;
	return 0;
}

static int visit_process(struct walk *walk, pid_t pid, struct err *err)
{
	int r;

	reaper_watch(&walk->tasks->reaper, pid);
	r = visit_threads(walk, pid, err);
	reaper_watch(&walk->tasks->reaper, 0);
	return r;
}

static int keep_coming(const struct target *target, struct err *err)
{
	return err_set(err, -ETIMEDOUT, "%s: new tasks keep coming", target->name);
}

int tasks_walk(struct tasks *tasks, const struct target *target, bool is_frozen1, uint64_t deadline,
	       size_t *ret_new, struct err *err)
{
	struct walk walk = { tasks, target, is_frozen1, deadline, 0, false };
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = target_tasks(target, &pids, &count, err);

	tasks->walk++;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (clock_us() >= deadline)
			r = keep_coming(target, err);
		else
			r = visit_process(&walk, pids[i], err);
	}
	if (r < 0)
		return r;
	*ret_new = walk.found + walk.is_unsure;
	return 0;
}

/* Only the leader of each child: its threads come with the next walk. */
static int visit_children(struct walk *walk, const char *list, struct err *err)
{
	for (const char *at = list; *at;) {
		char *end;
		pid_t pid = (pid_t)strtol(at, &end, 10);
		int r;

		if (end == at)
			break;
		at = end;
		reaper_watch(&walk->tasks->reaper, pid);
		r = pid > 0 ? visit_thread(walk, pid, pid, err) : 0;
		reaper_watch(&walk->tasks->reaper, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A kernel without CONFIG_PROC_CHILDREN has no such file: then there is the walk alone. */
static int chase_one(struct walk *walk, pid_t tid, struct buf *text, struct err *err)
{
	auto_close int fd = -1;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", tid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	buf_clear(text);
	do {
		size_t size = text->size;
		char *room = buf_append(text, NULL, CHILDREN_PIECE);

		n = read(fd, room, CHILDREN_PIECE);
		text->size = size + (n > 0 ? (size_t)n : 0);
		text->data[text->size] = '\0';
	} while (n > 0);
	return visit_children(walk, text->data, err);
}

int tasks_chase(struct tasks *tasks, const struct target *target, uint64_t deadline,
		size_t *ret_new, struct err *err)
{
	struct walk walk = { tasks, target, false, deadline, 0, false };
	auto_buf struct buf text = BUF_EMPTY;
	int r = 0;

	for (size_t i = 0; r == 0 && i < tasks->count; i++) {
		if (clock_us() >= deadline)
			r = keep_coming(target, err);
		else if (tasks->list[i].state == TASK_STOPPED)
			r = chase_one(&walk, tasks->list[i].tid, &text, err);
	}
	if (r == 0)
		*ret_new = walk.found;
	return r;
}
