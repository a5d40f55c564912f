/* Waiting for the stops of seized tasks, and letting them go. See tasks.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "freeze/deadline.h"
#include "freeze/restart.h"
#include "freeze/tasks.h"

#define NEWS_MOST_US  10000
#define STOP_LEAST_US 5000000
#define LOOK_AFTER_US 20000 /* then see what it does instead */
#define REAP_MOST_US  1000000

void tasks_listen(sigset_t *ret_old)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)pthread_sigmask(SIG_BLOCK, &set, ret_old);
}

void tasks_unlisten(const sigset_t *old)
{
	/* A caller that waits for SIGCHLD itself may have lost one to us. */
	if (sigismember(old, SIGCHLD))
		(void)kill(getpid(), SIGCHLD);
	(void)pthread_sigmask(SIG_SETMASK, old, NULL);
}

void tasks_wait_for_news(uint64_t deadline)
{
	struct timespec time = timespec_us(time_left_us(deadline, NEWS_MOST_US));
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigtimedwait(&set, NULL, &time);
}

/* Any stop but ours used up the interrupt: ask again, then let it go on with what it was about to
 * do. It stops before its next user instruction, with the frame of the signal's handler made. */
static void go_on(struct task *task, int sig)
{
	(void)ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
	(void)ptrace(PTRACE_CONT, task->tid, 0, (long)sig);
	task->state = TASK_RUNNING;
}

/* The list may grow. */
static void add_child(struct tasks *tasks, pid_t parent)
{
	unsigned long child = 0;
	struct task *task;

	if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &child) < 0 || child == 0)
		return;
	task = tasks_add(tasks, (pid_t)child);
	if (task->state == TASK_GONE)
		task->state = TASK_RUNNING;
}

/* Takes what the kernel has to say about a task, if anything. */
static void take_status(struct tasks *tasks, size_t number)
{
	struct task *task = &tasks->list[number];
	pid_t tid = task->tid;
	int status;
	pid_t r = waitpid(tid, &status, __WALL | WNOHANG);

	if (r == 0)
		return;
	if (r < 0 || !WIFSTOPPED(status)) {
		task->state = TASK_GONE;
		return;
	}
	switch (status >> 16) {
	case PTRACE_EVENT_STOP:
		task->stop_signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		task->state = TASK_STOPPED;
		if (task->stop_signal == 0)
			restart_call(tid, tid);
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		add_child(tasks, tid);
		go_on(&tasks->list[number], 0);
		break;
	case 0:
		go_on(task, WSTOPSIG(status));
		break;
	default:
		go_on(task, 0);
		break;
	}
}

/* The parent of a vfork child does not stop before that has executed a program. */
static bool is_vfork_parent(const struct task *task)
{
	char call[256];
	long nr;

	if (!task_read(task->tid, task->tid, "syscall", call, sizeof(call)))
		return false;
	nr = strtol(call, NULL, 10);
	return nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3;
}

static int vfork_error(const struct task *task, struct err *err)
{
	char children[4096];
	const char *last = NULL;
	char *rest = NULL;

	if (task_read(task->tid, task->tid, "children", children, sizeof(children))) {
		for (char *at = strtok_r(children, " \n", &rest); at;
		     at = strtok_r(NULL, " \n", &rest))
			last = at;
	}
	if (last)
		(void)err_set(err, ERR_FAILED, "task %s waits for its vfork child %s",
			      task_label(task->tid).text, task_label(atoi(last)).text);
	else
		(void)err_set(err, ERR_FAILED, "task %s waits for its vfork child",
			      task_label(task->tid).text);
	return err_hint(err, "it can be stopped when that child has executed its program");
}

static int timeout_error(const struct task *task, struct err *err)
{
	char letter = task_state_letter(task->tid, task->tid);

	(void)err_set(err, ERR_FAILED, "task %s does not stop (state %c)",
		      task_label(task->tid).text, letter ? letter : '?');
	return err_hint(err, letter == 'D' ? "it is in uninterruptible sleep: wait for the kernel"
					   : "try again when the machine is less busy");
}

/* A leader's death is only told when its last thread is gone; and where a thread became leader by
 * executing a program before it was interrupted, the interrupt went to nobody. */
static void look_again(struct task *task)
{
	char letter = task_state_letter(task->tid, task->tid);

	if (letter == 'Z' && (task->pid == task->tid || task->pid == 0))
		task->state = TASK_ZOMBIE;
	else if (letter != 't')
		(void)ptrace(PTRACE_INTERRUPT, task->tid, 0, 0);
}

/* A thread that executes a program waits until all others of its process are dead, and reaped: by
 * us, also those that stood still. */
static void take_all(struct tasks *tasks)
{
	for (size_t i = 0; i < tasks->count; i++) {
		if (tasks->list[i].state == TASK_RUNNING || tasks->list[i].state == TASK_STOPPED)
			take_status(tasks, i);
	}
}

static int await_stop(struct tasks *tasks, size_t number, uint64_t deadline, struct err *err)
{
	uint64_t look_at = clock_us() + LOOK_AFTER_US;

	for (;;) {
		uint64_t now = clock_us();
		bool must_look = now >= look_at;

		if (must_look) {
			take_all(tasks);
			look_at = now + LOOK_AFTER_US;
		} else {
			take_status(tasks, number);
		}
		if (must_look && tasks->list[number].state == TASK_RUNNING)
			look_again(&tasks->list[number]);
		if (tasks->list[number].state != TASK_RUNNING)
			return 0;
		if (must_look && is_vfork_parent(&tasks->list[number])) {
			tasks->is_vfork_stuck = true;
			return vfork_error(&tasks->list[number], err);
		}
		if (now >= deadline)
			return timeout_error(&tasks->list[number], err);
		tasks_wait_for_news(deadline);
	}
}

/* The list may grow meanwhile. */
/* Without a cgroup, we share the processors with all that is still running: as long as one after
 * the other stops, each has its time. */
int tasks_settle(struct tasks *tasks, uint64_t deadline, struct err *err)
{
	for (size_t i = 0; i < tasks->count; i++) {
		if (tasks->list[i].state == TASK_RUNNING) {
			uint64_t own = clock_us() + STOP_LEAST_US;
			int r = await_stop(tasks, i, own > deadline ? own : deadline, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

size_t tasks_verify(struct tasks *tasks)
{
	size_t lost = 0;

	for (size_t i = 0; i < tasks->count; i++) {
		struct task *task = &tasks->list[i];

		if (task->state == TASK_STOPPED && ptrace(PTRACE_SETOPTIONS, task->tid, 0, 0) < 0) {
			task->state = TASK_GONE;
			lost++;
		}
	}
	return lost;
}

/* One that is not stopped where it should be was killed. */
static size_t detach_stopped(struct tasks *tasks)
{
	size_t running = 0;

	for (size_t i = 0; i < tasks->count; i++) {
		struct task *task = &tasks->list[i];

		running += task->state == TASK_RUNNING;
		if (task->state != TASK_STOPPED)
			continue;
		task->state = TASK_GONE;
		if (task->must_stop)
			(void)kill(task->pid, SIGSTOP);
		if (ptrace(PTRACE_DETACH, task->tid, 0, 0) < 0)
			task->state = TASK_DYING;
	}
	return running;
}

void tasks_detach(struct tasks *tasks, uint64_t deadline)
{
	while (detach_stopped(tasks) > 0 && clock_us() < deadline) {
		tasks_wait_for_news(deadline);
		for (size_t i = 0; i < tasks->count; i++) {
			if (tasks->list[i].state == TASK_RUNNING)
				take_status(tasks, i);
		}
	}
	(void)tasks_reap(tasks, clock_us() + REAP_MOST_US);
}

static pid_t parent_of(pid_t pid)
{
	char text[512];
	const char *end;
	pid_t parent = 0;

	if (!task_read(pid, pid, "stat", text, sizeof(text)))
		return 0;
	end = strrchr(text, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

static bool is_reaped(const struct task *task)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)task->tid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return true;
	/* A stop of a tracee is seen, too. */
	if (info.si_pid == 0 || info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED)
		return false;
	if (task->tid != task->pid || parent_of(task->pid) != getpid())
		(void)waitpid(task->tid, NULL, __WALL | WNOHANG);
	return true;
}

/* A leader can only be reaped after its threads, an init only after all others. */
int tasks_reap(struct tasks *tasks, uint64_t deadline)
{
	for (;;) {
		size_t left = 0;

		for (size_t i = 0; i < tasks->count; i++) {
			if (tasks->list[i].state != TASK_DYING)
				continue;
			if (is_reaped(&tasks->list[i]))
				tasks->list[i].state = TASK_GONE;
			else
				left++;
		}
		if (left == 0)
			return 0;
		if (clock_us() >= deadline)
			return -ETIMEDOUT;
		tasks_wait_for_news(deadline);
	}
}
