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
#include "freeze/tasks.h"

#define NEWS_MOST_US 10000
#define LOOK_AFTER_US 2000   /* then see whether it is dead */
#define STUCK_AFTER_US 50000 /* then see whether it waits for a vfork child */
#define REAP_MOST_US 1000000

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
static void go_on(pid_t tid, int sig)
{
	(void)ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	(void)ptrace(PTRACE_CONT, tid, 0, (long)sig);
}

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
		break;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		add_child(tasks, tid);
		go_on(tid, 0);
		break;
	case 0:
		go_on(tid, WSTOPSIG(status));
		break;
	default:
		go_on(tid, 0);
		break;
	}
}

/* A leader's death is only told when its last thread is gone. */
static bool is_dead_leader(const struct task *task)
{
	return (task->pid == task->tid || task->pid == 0) &&
	       task_state_letter(task->tid, task->tid) == 'Z';
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

	if (task_read(task->tid, task->tid, "children", children, sizeof(children))) {
		for (char *at = strtok(children, " \n"); at; at = strtok(NULL, " \n"))
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
	return err_hint(err, letter == 'D' ? "it is in uninterruptible sleep: wait for the kernel" :
					     "try again when the machine is less busy");
}

static int await_stop(struct tasks *tasks, size_t number, uint64_t deadline, struct err *err)
{
	uint64_t start = clock_us();

	for (;;) {
		struct task *task;
		uint64_t now;

		take_status(tasks, number);
		task = &tasks->list[number];
		if (task->state != TASK_RUNNING)
			return 0;
		now = clock_us();
		if (now - start > LOOK_AFTER_US && is_dead_leader(task)) {
			task->state = TASK_ZOMBIE;
			return 0;
		}
		if (now - start > STUCK_AFTER_US && is_vfork_parent(task)) {
			tasks->is_vfork_stuck = true;
			return vfork_error(task, err);
		}
		if (now >= deadline)
			return timeout_error(task, err);
		tasks_wait_for_news(deadline);
	}
}

/* The list may grow meanwhile. */
int tasks_settle(struct tasks *tasks, uint64_t deadline, struct err *err)
{
	for (size_t i = 0; i < tasks->count; i++) {
		if (tasks->list[i].state == TASK_RUNNING) {
			int r = await_stop(tasks, i, deadline, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* It was killed while it was stopped; it is ours to reap before anybody else can. */
static void reap(pid_t tid)
{
	uint64_t deadline = clock_us() + REAP_MOST_US;

	while (waitpid(tid, NULL, __WALL | WNOHANG) == 0 && clock_us() < deadline)
		tasks_wait_for_news(deadline);
}

void task_detach(struct task *task)
{
	if (task->state == TASK_ZOMBIE)
		return;
	if (ptrace(PTRACE_DETACH, task->tid, 0, 0) < 0)
		reap(task->tid);
	task->state = TASK_GONE;
}
