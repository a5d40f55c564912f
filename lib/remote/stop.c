/* Waiting for a traced thread to stop. See stop.h. */
#include "remote/stop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"

enum {
	NEWS_MOST_MS = 10,     /* another thread of ours may get the SIGCHLD */
	LOOK_MS = 500,	       /* between two looks at what it does */
	STUCK_MS = 60000,      /* in one script: a slow disk has a few MiB to take, no more */
	INTERRUPTED_MS = 2000, /* for the stop that was asked for */
	OWN_TIME_MS = 2000,    /* of its own code: the stub needs microseconds */
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool read_proc(pid_t tid, const char *file, struct buf *text)
{
	auto_free char *path = mem_printf("/proc/%d/%s", tid, file);
	struct err ignored = ERR_NONE;

	return procfs_read(AT_FDCWD, path, text, &ignored) == 0;
}

/* What it has spent in its own code, not in the kernel's: the 14th field, proc(5). */
static uint64_t own_time_ms(pid_t tid)
{
	auto_buf struct buf text = BUF_EMPTY;
	unsigned long ticks = 0;
	const char *end = NULL;

	if (read_proc(tid, "stat", &text))
		end = strrchr(text.data, ')');
	if (!end || sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &ticks) != 1)
		return 0;
	return ticks * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
}

static void wait_for_news(void)
{
	struct timespec time = { .tv_nsec = NEWS_MOST_MS * 1000000 };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigtimedwait(&set, NULL, &time);
}

/* As waitpid(2), and 0: it did not stop in that time. */
static pid_t wait_until(pid_t tid, int *status, uint64_t deadline)
{
	for (;;) {
		pid_t r = waitpid(tid, status, __WALL | WNOHANG);

		if (r != 0 || now_ms() >= deadline)
			return r;
		wait_for_news();
	}
}

/* A thread that cannot be stopped either is in the kernel, and stays the kernel's. */
static int give_up(pid_t tid, struct err *err)
{
	int status;

	(void)ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	(void)wait_until(tid, &status, now_ms() + INTERRUPTED_MS);
	return err_set(err, ERR_FAILED, "task %d does not come back from what it is to do for us",
		       tid);
}

/* Looks at it from time to time: on a busy machine it may just not have had its turn. */
static int wait_warily(pid_t tid, int *status, struct err *err)
{
	uint64_t start = now_ms();
	uint64_t spent = 0;
	pid_t r;

	for (unsigned int look = 0; (r = wait_until(tid, status, now_ms() + LOOK_MS)) == 0;
	     look++) {
		if (look == 0)
			spent = own_time_ms(tid);
		if (now_ms() - start >= STUCK_MS || own_time_ms(tid) >= spent + OWN_TIME_MS)
			return give_up(tid, err);
	}
	return r < 0 ? err_set(err, -errno, "wait for task %d", tid) : 0;
}

static int wait_patiently(pid_t tid, int *status, struct err *err)
{
	while (waitpid(tid, status, __WALL) < 0) {
		if (errno != EINTR)
			return err_set(err, -errno, "wait for task %d", tid);
	}
	return 0;
}

static int wait_once(const struct remote *remote, int *status, struct err *err)
{
	sigset_t news, before;
	int r;

	if (!remote->outlives_us)
		return wait_patiently(remote->tid, status, err);
	(void)sigemptyset(&news);
	(void)sigaddset(&news, SIGCHLD);
	(void)pthread_sigmask(SIG_BLOCK, &news, &before);
	r = wait_warily(remote->tid, status, err);
	/* A caller that waits for SIGCHLD itself may have lost one to us. */
	if (sigismember(&before, SIGCHLD))
		(void)kill(getpid(), SIGCHLD);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Is it one to go on from? */
static bool is_passed(struct remote *remote, int status)
{
	if (status >> 16 == PTRACE_EVENT_STOP)
		return true;
	if (!remote->outlives_us || status >> 16 != 0 || WSTOPSIG(status) != SIGSTOP)
		return false;
	remote->owes_stop = true;
	return true;
}

int remote_wait_stop(struct remote *remote, int restart_request, int *ret_status, struct err *err)
{
	for (;;) {
		int status = 0;
		int r = wait_once(remote, &status, err);

		if (r < 0)
			return r;
		if (!WIFSTOPPED(status))
			return err_set(err, ERR_FAILED, "task %d died while it was stopped",
				       remote->tid);
		if (!is_passed(remote, status)) {
			*ret_status = status;
			return 0;
		}
		if (ptrace(restart_request, remote->tid, 0, 0) < 0)
			return err_set(err, -errno, "restart task %d", remote->tid);
	}
}

/* SIGCONT and SIGSTOP cancel each other while they are pending. */
static bool is_told_to_go_on(pid_t tid)
{
	auto_buf struct buf text = BUF_EMPTY;
	uint64_t own, shared;

	return read_proc(tid, "status", &text) && procfs_field(text.data, "SigPnd", 16, &own) &&
	       procfs_field(text.data, "ShdPnd", 16, &shared) &&
	       ((own | shared) >> (SIGCONT - 1) & 1);
}

void remote_send_kept(struct remote *remote)
{
	if (remote->owes_signal)
		(void)syscall(SYS_tkill, remote->tid, remote->stop_signal);
	if (remote->owes_stop && !is_told_to_go_on(remote->tid))
		(void)syscall(SYS_tkill, remote->tid, SIGSTOP);
	remote->owes_signal = false;
	remote->owes_stop = false;
}
