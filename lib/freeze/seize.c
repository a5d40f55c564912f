/* Stops all tasks of a target under ptrace. See freeze.h; tasks.h has the steps. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "freeze/freezer.h"
#include "freeze/tasks.h"

#define UNDO_MOST_US 2000000
#define WALK_MORE_US 20000000
#define VDSO_MOST_US 2000000

/* One attempt; what it holds is let go when it goes out of scope, unless it succeeded. */
struct attempt {
	const struct target *target;
	const struct freezer *freezer; /* NULL: none */
	uint64_t deadline;
	bool was_frozen;
	bool is_frozen; /* by us, now */
	bool is_done;
	struct tasks tasks;
};

/* What has not stopped yet can't be let go yet: it stops when the others run, most likely. In a
 * cgroup that stays frozen, it would not: then the kernel lets it go when we end. */
static void undo(struct attempt *attempt)
{
	uint64_t deadline = clock_us() + UNDO_MOST_US;
	struct err ignored = ERR_NONE;
	struct tasks *tasks = &attempt->tasks;

	if (attempt->freezer && tasks->count > 0)
		(void)attempt->freezer->freeze(attempt->target->cgroup, deadline, &ignored);
	tasks_detach(tasks, 0);
	if (attempt->freezer && !attempt->was_frozen)
		(void)attempt->freezer->thaw(attempt->target->cgroup, &ignored);
	if (!attempt->was_frozen)
		tasks_detach(tasks, deadline);
}

static void attempt_free(struct attempt *attempt)
{
	if (!attempt->is_done)
		undo(attempt);
	tasks_free(&attempt->tasks);
}

static int begin(struct attempt *attempt, struct err *err)
{
	int r;

	if (!attempt->freezer)
		return 0;
	r = attempt->freezer->is_asked(attempt->target->cgroup, &attempt->was_frozen, err);
	if (r < 0)
		return err_wrap(err, "cgroup %s", attempt->target->cgroup_path);
	r = freezer_freeze(attempt->target, err);
	if (r == 0)
		attempt->is_frozen = true;
	return r;
}

/* From here on, ptrace alone holds the tasks. */
static int thaw(struct attempt *attempt, struct err *err)
{
	bool is_frozen = false;
	int r;

	if (!attempt->is_frozen)
		return 0;
	attempt->is_frozen = false;
	r = freezer_thaw(attempt->target, err);
	if (r == 0 && attempt->target->freezer == FREEZER_V1)
		r = freezer_is_frozen(attempt->target, &is_frozen, err);
	if (r < 0 || !is_frozen)
		return r;
	(void)err_set(err, ERR_FAILED, "cgroup %s is frozen by one above it",
		      attempt->target->cgroup_path);
	return err_hint(err, "thaw that one first");
}

/* Without a cgroup, we share the processors with what is not stopped yet, and may get little. */
static uint64_t walk_deadline(const struct attempt *attempt)
{
	return attempt->deadline + (attempt->freezer ? 0 : WALK_MORE_US);
}

/* Waits for the stops; without a cgroup, until no child is left that runs. */
static int settle(struct attempt *attempt, struct err *err)
{
	size_t found = 0;
	int r;

	do {
		r = tasks_settle(&attempt->tasks, attempt->deadline, err);
		found = 0;
		if (r == 0 && !attempt->freezer)
			r = tasks_chase(&attempt->tasks, attempt->target, walk_deadline(attempt),
					&found, err);
	} while (r == 0 && found > 0);
	return r;
}

/* Walks until a whole walk, begun when all known tasks stood still, found nothing new. With v1,
 * stops are only taken after the thaw; with v2, before. */
static int walk_and_settle(struct attempt *attempt, struct err *err)
{
	size_t found = 0;
	int r = 0;

	do {
		r = settle(attempt, err);
		if (r == 0)
			r = tasks_walk(&attempt->tasks, attempt->target, false,
				       walk_deadline(attempt), &found, err);
		if (r == 0 && found == 0)
			found = tasks_verify(&attempt->tasks);
	} while (r == 0 && found > 0);
	return r;
}

static int stop_all(struct attempt *attempt, struct err *err)
{
	bool is_frozen1 = attempt->is_frozen && attempt->target->freezer == FREEZER_V1;
	size_t found = 0;
	int r = tasks_walk(&attempt->tasks, attempt->target, is_frozen1, walk_deadline(attempt),
			   &found, err);

	if (r == 0 && is_frozen1)
		r = thaw(attempt, err);
	if (r == 0)
		r = walk_and_settle(attempt, err);
	return r < 0 ? r : thaw(attempt, err);
}

/* One that does nothing else than ask for the time stays where it is. */
static int leave_vdso(struct attempt *attempt, struct err *err)
{
	uint64_t patience = clock_us() + VDSO_MOST_US;
	int r = 0;

	while (r == 0 && clock_us() < patience && tasks_leave_vdso(&attempt->tasks) > 0)
		r = walk_and_settle(attempt, err);
	return r;
}

/* A pid that was used again between listing and seizing is not seen by the last walk. */
static void drop_strangers(struct tasks *tasks)
{
	struct tasks strangers = TASKS_NONE;

	for (size_t i = 0; i < tasks->count; i++) {
		struct task *task = &tasks->list[i];

		if (task->walk == tasks->walk)
			continue;
		if (task->state == TASK_STOPPED)
			*tasks_add(&strangers, task->tid) = *task;
		task->state = TASK_GONE;
	}
	tasks_detach(&strangers, 0);
	tasks_free(&strangers);
}

static int compare_threads(const void *left, const void *right)
{
	const struct frozen_thread *a = left;
	const struct frozen_thread *b = right;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if ((a->tid == a->pid) != (b->tid == b->pid))
		return a->tid == a->pid ? -1 : 1;
	return a->tid < b->tid ? -1 : a->tid > b->tid;
}

/* A group stop concerns all threads of a process, also those that were seized before it. */
static void spread_stop_signals(struct freeze *freeze)
{
	size_t next;

	for (size_t first = 0; first < freeze->thread_count; first = next) {
		int sig = 0;

		for (next = first; next < freeze->thread_count &&
				   freeze->threads[next].pid == freeze->threads[first].pid;
		     next++) {
			if (freeze->threads[next].stop_signal)
				sig = freeze->threads[next].stop_signal;
		}
		for (size_t i = first; i < next; i++) {
			if (!freeze->threads[i].is_zombie)
				freeze->threads[i].stop_signal = sig;
		}
	}
}

static void list_threads(const struct tasks *tasks, struct freeze *freeze)
{
	free(freeze->threads);
	freeze->threads = mem_alloc(tasks->count, sizeof(*freeze->threads));
	freeze->thread_count = 0;
	for (size_t i = 0; i < tasks->count; i++) {
		const struct task *task = &tasks->list[i];

		if (task->state != TASK_STOPPED && task->state != TASK_ZOMBIE)
			continue;
		freeze->threads[freeze->thread_count++] = (struct frozen_thread){
			.pid = task->pid,
			.tid = task->tid,
			.stop_signal = task->stop_signal,
			.is_zombie = task->state == TASK_ZOMBIE,
			.must_stop = task->must_stop,
		};
	}
	qsort(freeze->threads, freeze->thread_count, sizeof(*freeze->threads), compare_threads);
	spread_stop_signals(freeze);
}

static bool has_stopped(const struct tasks *tasks)
{
	for (size_t i = 0; i < tasks->count; i++) {
		if (tasks->list[i].state == TASK_STOPPED)
			return true;
	}
	return false;
}

/* *ret_again: a later attempt may succeed, as this one let the tasks run a little. */
static int try_once(const struct target *target, uint64_t deadline, struct freeze *ret_freeze,
		    bool *ret_again, struct err *err)
{
	__attribute__((cleanup(attempt_free))) struct attempt attempt = {
		.target = target,
		.freezer = freezer_of(target),
		.deadline = deadline,
		.tasks = TASKS_NONE,
	};
	uint64_t start = clock_us();
	int r = begin(&attempt, err);

	reaper_start(&attempt.tasks.reaper, attempt.deadline);
	if (r == 0)
		r = stop_all(&attempt, err);
	if (r == 0)
		r = leave_vdso(&attempt, err);
	reaper_stop(&attempt.tasks.reaper);
	if (r == 0)
		drop_strangers(&attempt.tasks);
	if (r == 0 && !has_stopped(&attempt.tasks))
		r = err_set(err, ERR_FAILED, "%s: no living task", target->name);
	if (r < 0) {
		*ret_again = attempt.tasks.is_vfork_stuck && !attempt.was_frozen;
		return r;
	}
	*ret_freeze = (struct freeze){
		.target = target,
		.was_frozen = attempt.was_frozen,
		.is_seized = true,
		.freezing_time = clock_us() - start,
	};
	list_threads(&attempt.tasks, ret_freeze);
	attempt.is_done = true;
	return 0;
}

int freeze_seize(const struct target *target, struct freeze *ret_freeze, struct err *err)
{
	uint64_t deadline = clock_us() + FREEZE_TIMEOUT_US;
	sigset_t old;
	bool again = true;
	int r;

	tasks_listen(&old);
	do {
		again = false;
		r = try_once(target, deadline, ret_freeze, &again, err);
	} while (r < 0 && again && clock_us() < deadline);
	tasks_unlisten(&old);

	if (r < 0)
		return err_wrap(err, "freeze %s", target->name);
	log_debug("froze %zu threads in %lu us", ret_freeze->thread_count,
		  (unsigned long)ret_freeze->freezing_time);
	return 0;
}

int freeze_rescan(struct freeze *freeze, struct err *err)
{
	__attribute__((cleanup(attempt_free))) struct attempt attempt = {
		.target = freeze->target,
		.deadline = clock_us() + FREEZE_TIMEOUT_US,
		.is_done = true, /* nothing is undone: what is held stays held */
		.tasks = TASKS_NONE,
	};
	sigset_t old;
	int r;

	tasks_take(&attempt.tasks, freeze);
	tasks_listen(&old);
	reaper_start(&attempt.tasks.reaper, attempt.deadline);
	r = stop_all(&attempt, err);
	if (r == 0)
		drop_strangers(&attempt.tasks);
	tasks_unlisten(&old);
	list_threads(&attempt.tasks, freeze);
	return r;
}
