/* Lets frozen tasks go, or kills them. See freeze.h. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "freeze/freezer.h"
#include "freeze/tasks.h"

static void detach_all(const struct freeze *freeze)
{
	auto_tasks struct tasks tasks = TASKS_NONE;

	tasks_take(&tasks, freeze);
	tasks_detach(&tasks, 0);
}

static void forget(struct freeze *freeze)
{
	free(freeze->threads);
	*freeze = FREEZE_NONE;
}

int freeze_release(struct freeze *freeze, bool thaw, struct err *err)
{
	const struct target *target = freeze->target;
	bool has_freezer = target && freezer_of(target);
	sigset_t old;
	int r = 0;

	if (!target)
		return 0;
	tasks_listen(&old);
	/* Without this, those let go first would run, and slow down the detaching of others. */
	if (has_freezer && freeze->is_seized)
		r = freezer_freeze(target, err);
	if (freeze->is_seized)
		detach_all(freeze);
	if (has_freezer && (thaw || !freeze->was_frozen)) {
		struct err second = ERR_NONE;
		int r2 = freezer_thaw(target, &second);

		if (r == 0 && r2 < 0) {
			*err = second;
			r = r2;
		}
	}
	tasks_unlisten(&old);
	forget(freeze);
	return r;
}

void freeze_free(struct freeze *freeze)
{
	struct err ignored = ERR_NONE;

	(void)freeze_release(freeze, false, &ignored);
}

/* ---- killing ---- */

/* The pids are pinned: a traced task stays a zombie until we have reaped it. */
static int send_kills(const struct freeze *freeze, struct err *err)
{
	const struct target *target = freeze->target;
	const struct frozen_thread *last = NULL;

	/* The death of its init kills a pid namespace. */
	if (target->form == TARGET_CONTAINER) {
		if (syscall(SYS_pidfd_send_signal, target->pidfd, SIGKILL, NULL, 0) < 0 &&
		    errno != ESRCH)
			return err_set(err, -errno, "kill task %s", task_label(target->init).text);
		return 0;
	}
	for (size_t i = 0; i < freeze->thread_count; i++) {
		const struct frozen_thread *thread = &freeze->threads[i];

		if (thread->is_zombie || (last && last->pid == thread->pid))
			continue;
		last = thread;
		if (kill(thread->pid, SIGKILL) < 0 && errno != ESRCH)
			return err_set(err, -errno, "kill task %s", task_label(thread->pid).text);
	}
	return 0;
}

/* A first task is there until the zombies of its pid namespace are gone, pid_namespaces(7). */
static int set_alive(pid_t pid, struct err *err)
{
	(void)err_set(err, -ETIMEDOUT, "task %s does not die", task_label(pid).text);
	return err_hint(err, "whoever started a command in the container from outside, and has not "
			     "waited for its end, must do so, or end");
}

static int reap_all(const struct freeze *freeze, uint64_t deadline, struct err *err)
{
	auto_tasks struct tasks tasks = TASKS_NONE;

	tasks_take(&tasks, freeze);
	for (size_t i = 0; i < tasks.count; i++) {
		if (tasks.list[i].state == TASK_STOPPED)
			tasks.list[i].state = TASK_DYING;
	}
	if (tasks_reap(&tasks, deadline) == 0)
		return 0;
	for (size_t i = 0; i < tasks.count; i++) {
		if (tasks.list[i].state == TASK_DYING)
			return set_alive(tasks.list[i].tid, err);
	}
	return 0;
}

static int wait_for_init(const struct target *target, uint64_t deadline, struct err *err)
{
	struct pollfd death = { .fd = target->pidfd, .events = POLLIN };
	struct timespec left = timespec_us(time_left_us(deadline, FREEZE_TIMEOUT_US));

	if (ppoll(&death, 1, &left, NULL) == 1)
		return 0;
	return set_alive(target->init, err);
}

int freeze_kill(struct freeze *freeze, struct err *err)
{
	uint64_t deadline = clock_us() + FREEZE_TIMEOUT_US;
	const struct target *target = freeze->target;
	sigset_t old;
	int r;

	if (!target)
		return 0;
	tasks_listen(&old);
	r = send_kills(freeze, err);
	/* What v1 has frozen does not even die. */
	if (r == 0 && freezer_of(target))
		r = freezer_thaw(target, err);
	if (r == 0)
		r = reap_all(freeze, deadline, err);
	if (r == 0)
		r = wait_for_init(target, deadline, err);
	tasks_unlisten(&old);
	if (r < 0)
		return err_wrap(err, "kill %s", target->name);
	forget(freeze);
	return 0;
}
