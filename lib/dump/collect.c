/* Collects tasks and threads: what /proc says of them, without a call inside. */
#include <inttypes.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
struct ptrace_sud_config {
	uint64_t mode, selector, offset, len;
};
#endif

#define PF_IO_WORKER 0x10u /* linux/sched.h, since 5.12 */

static int open_task(struct dump_task *task, struct err *err)
{
	int r = procfs_open_pid(task->pid, &task->proc, err);

	if (r < 0)
		return r;
	task->pidfd = (int)syscall(SYS_pidfd_open, task->pid, 0);
	if (task->pidfd < 0)
		return err_set(err, -errno, "open pidfd of task %d", task->pid);
	return 0;
}

static int read_stat(struct dump_task *task, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(task->proc, "stat", &text, err);

	if (r < 0)
		return r;
	return procfs_stat_parse(text.data, &task->stat, err);
}

static int read_status(const struct dump_task *task, pid_t tid, struct procfs_status *ret_status,
		       struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "task/%d/status", tid);
	r = procfs_read(task->proc, path, &text, err);
	if (r < 0)
		return r;
	return procfs_status_parse(text.data, ret_status, err);
}

/* A name with a newline reads like one with the characters that the kernel writes for it. */
static void read_exact_name(const struct dump_task *task, struct procfs_vma *vma)
{
	auto_free char *file = mem_printf("map_files/%" PRIx64 "-%" PRIx64, vma->start, vma->end);
	char *name = NULL;
	struct err ignored;

	if (vma->name[0] != '/' || !strchr(vma->name, '\n') ||
	    procfs_readlink(task->proc, file, &name, &ignored) < 0)
		return;
	free(vma->name);
	vma->name = name;
}

static int read_vmas(struct dump_task *task, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(task->proc, "smaps", &text, err);

	if (r == 0)
		r = procfs_maps_parse(text.data, &task->vmas, &task->vma_count, err);
	for (size_t i = 0; r == 0 && i < task->vma_count; i++)
		read_exact_name(task, &task->vmas[i]);
	return r;
}

/* A thread that the kernel has made for io_uring: it stops for us, and never comes to run what we
 * ask of it. The rings tell whether there is work for it; the kernel makes another when there is.
 */
static bool is_worker(const struct dump_task *task, pid_t tid)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored = ERR_NONE;
	struct procfs_stat stat;
	char path[64];

	(void)snprintf(path, sizeof(path), "task/%d/stat", tid);
	return procfs_read(task->proc, path, &text, &ignored) == 0 &&
	       procfs_stat_parse(text.data, &stat, &ignored) == 0 && stat.flags & PF_IO_WORKER;
}

static int add_thread(struct dump *d, struct dump_task *task, const struct frozen_thread *frozen,
		      struct err *err)
{
	struct dump_thread *thread;
	int r;

	array_grow(task->threads, task->thread_count);
	thread = &task->threads[task->thread_count];
	*thread = (struct dump_thread){ .tid = frozen->tid,
					.id = dump_new_id(d),
					.stop_signal = frozen->stop_signal,
					.remote = { .tid = frozen->tid } };
	r = read_status(task, frozen->tid, &thread->status, err);
	if (r < 0)
		return r;
	task->thread_count++;
	if (thread->status.ns_depth <= d->own->level)
		return err_set(err, ERR_HOST, "/proc/%d/status has no NSpid", frozen->tid);
	thread->vtid = thread->status.ns_pid[d->own->level];
	return 0;
}

/* A zombie has a pid in its namespace, and nothing else to ask for. */
static int add_zombie(const struct dump *d, struct dump_task *task, struct err *err)
{
	int r = read_status(task, task->pid, &task->status, err);

	if (r < 0)
		return r;
	procfs_status_free(&task->status);
	if (task->status.ns_depth <= d->own->level)
		return err_set(err, ERR_HOST, "/proc/%d/status has no NSpid", task->pid);
	task->vpid = task->status.ns_pid[d->own->level];
	return 0;
}

static int add_task(struct dump *d, const struct frozen_thread *threads, size_t count,
		    struct err *err)
{
	struct dump_private *own = d->own;
	struct dump_task *task;
	int r;

	array_grow(own->tasks, own->task_count);
	task = &own->tasks[own->task_count++];
	*task = (struct dump_task){
		.pid = threads[0].pid, .id = dump_new_id(d), .pidfd = -1, .proc = -1
	};
	r = open_task(task, err);
	if (r == 0)
		r = read_stat(task, err);
	if (r < 0)
		return r;
	if (threads[0].is_zombie && count > 1) {
		d->task = task;
		/* It may be the only task: there is nobody to look at anything through. */
		own->is_untouchable = true;
		(void)dump_block(d, "wait until its threads have ended",
				 "the main thread has ended, and others have not");
		return 0;
	}
	if (threads[0].is_zombie)
		return add_zombie(d, task, err);

	for (size_t i = 0; i < count; i++) {
		r = is_worker(task, threads[i].tid) ? 0 : add_thread(d, task, &threads[i], err);
		if (r < 0)
			return r;
	}
	task->vpid = task->threads[0].vtid;
	task->status = task->threads[0].status;
	task->mm_id = dump_new_id(d);
	return read_vmas(task, err);
}

/* Which of the pids of a task is that in the container: the innermost of its first task. */
static int find_level(struct dump *d, struct err *err)
{
	struct dump_task init = { .pid = d->own->target->init, .proc = -1 };
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	int r = procfs_open_pid(init.pid, &init.proc, err);

	if (r == 0)
		r = read_status(&init, init.pid, &status, err);
	drop_fd(&init.proc);
	if (r < 0)
		return r;
	if (status.ns_depth == 0)
		return err_set(err, ERR_HOST, "/proc/%d/status has no NSpid", init.pid);
	d->own->level = status.ns_depth - 1;
	return 0;
}

static int add_tasks(struct dump *d, struct err *err)
{
	const struct freeze *frozen = d->own->frozen;
	size_t next;

	for (size_t i = 0; i < frozen->thread_count; i = next) {
		int r;

		for (next = i + 1; next < frozen->thread_count; next++) {
			if (frozen->threads[next].pid != frozen->threads[i].pid)
				break;
		}
		r = add_task(d, &frozen->threads[i], next - i, err);
		if (r < 0)
			return err_wrap(err, "task %d", frozen->threads[i].pid);
	}
	return 0;
}

/* ---- the tree ---- */

struct ranked {
	struct dump_task task;
	size_t depth;
};

static int compare_depth(const void *left, const void *right)
{
	const struct ranked *a = left;
	const struct ranked *b = right;

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return a->task.stat.start_time < b->task.stat.start_time   ? -1
	       : a->task.stat.start_time > b->task.stat.start_time ? 1
	       : a->task.vpid < b->task.vpid			   ? -1
								   : 1;
}

static size_t depth_of(const struct dump *d, const struct dump_task *task)
{
	size_t depth = 0;

	while (depth <= d->own->task_count) {
		task = dump_task_by_pid(d, task->stat.ppid);
		if (!task)
			break;
		depth++;
	}
	return depth;
}

/* Parents before children; siblings by age. */
static void order_tasks(struct dump *d)
{
	struct dump_private *own = d->own;
	auto_free struct ranked *ranked = mem_alloc(own->task_count, sizeof(*ranked));

	for (size_t i = 0; i < own->task_count; i++) {
		ranked[i].task = own->tasks[i];
		ranked[i].depth = depth_of(d, &own->tasks[i]);
	}
	qsort(ranked, own->task_count, sizeof(*ranked), compare_depth);
	for (size_t i = 0; i < own->task_count; i++)
		own->tasks[i] = ranked[i].task;
	for (size_t i = 0; i < own->task_count; i++) {
		const struct dump_task *parent = dump_task_by_pid(d, own->tasks[i].stat.ppid);

		own->tasks[i].parent = parent ? parent->id : 0;
	}
}

/* A zombie with a parent elsewhere, who entered the container: nobody in here ever hears of it. */
static void drop_foreign_zombies(struct dump *d)
{
	struct dump_private *own = d->own;
	size_t kept = 0;

	for (size_t i = 0; i < own->task_count; i++) {
		struct dump_task *task = &own->tasks[i];

		if (task->thread_count > 0 || task->parent || task->pid == own->target->init) {
			own->tasks[kept++] = *task;
			continue;
		}
		drop_fd(&task->pidfd);
		drop_fd(&task->proc);
	}
	own->task_count = kept;
}

/* ---- what tasks must and must not share ---- */

static bool is_shared(pid_t one, pid_t other, int what)
{
	return syscall(SYS_kcmp, one, other, what, 0, 0) == 0;
}

static void check_threads(struct dump *d, const struct dump_task *task)
{
	for (size_t i = 1; i < task->thread_count; i++) {
		if (!is_shared(task->pid, task->threads[i].tid, KCMP_FILES) ||
		    !is_shared(task->pid, task->threads[i].tid, KCMP_FS)) {
			(void)dump_block(d, NULL,
					 "thread %d has descriptors or a directory of its own",
					 task->threads[i].vtid);
			return;
		}
	}
}

/* Only one that the container was started with is known: all have it, so who has one has this. */
static bool is_known_filter(const struct dump *d, const struct procfs_status *status)
{
	return status->seccomp == SECCOMP_MODE_FILTER && status->seccomp_filters == 1 &&
	       d->own->filter.code;
}

/* A call that we make inside could be one that the filter kills for: nothing is tried there. */
static void check_seccomp(struct dump *d, struct dump_task *task)
{
	for (size_t i = 0; i < task->thread_count; i++) {
		struct dump_thread *thread = &task->threads[i];

		if (thread->status.seccomp == 0)
			continue;
		if (is_known_filter(d, &thread->status)) {
			thread->remote.filters[0] = &d->own->filter;
			continue;
		}
		d->own->is_untouchable = true;
		(void)dump_block(
		    d,
		    d->own->target->bundle
			? "let config.json's be the only filter, and all of it be "
			  "known: --verbose says what is not"
			: "let `ctckpt run --seccomp` be the only one that sets filters",
		    "thread %d: its seccomp filter cannot be read by an ordinary user",
		    thread->vtid);
		return;
	}
}

/* Programs that run others' code (wine) take system calls of their own as signals: ours, too.
 * Before 6.4 nobody could tell. */
static void check_dispatch(struct dump *d, const struct dump_task *task)
{
	for (size_t i = 0; i < task->thread_count; i++) {
		struct ptrace_sud_config config = { .mode = PR_SYS_DISPATCH_OFF };

		if (ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, task->threads[i].tid,
			   sizeof(config), &config) < 0 ||
		    config.mode == PR_SYS_DISPATCH_OFF)
			continue;
		d->own->is_untouchable = true;
		(void)dump_block(d, NULL,
				 "thread %d: PR_SET_SYSCALL_USER_DISPATCH is not supported",
				 task->threads[i].vtid);
		return;
	}
}

static int check_task(struct dump *d, struct dump_task *task, struct err *err)
{
	if (task->thread_count == 0)
		return 0;
	d->task = task;
	check_seccomp(d, task);
	check_dispatch(d, task);
	check_threads(d, task);
	return dump_check_program(d, err);
}

int dump_collect_tasks(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	int r = find_level(d, err);

	if (r == 0)
		r = add_tasks(d, err);
	if (r < 0)
		return r;
	if (own->task_count == 0)
		return err_set(err, ERR_FAILED, "it has no task left");
	if (own->target->seccomp)
		r = filter_parse(own->target->seccomp, &own->filter, err);
	if (r < 0)
		return r;
	order_tasks(d);
	drop_foreign_zombies(d);
	dump_group_tasks(d);
	r = dump_check_outsiders(d, err);
	for (size_t i = 0; r == 0 && i < own->task_count; i++)
		r = check_task(d, &own->tasks[i], err);
	d->task = NULL;
	return r < 0 ? r : dump_find_namespaces(d, err);
}
