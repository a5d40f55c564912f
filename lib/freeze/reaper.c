/* A thread that reaps where we would hang. See reaper.h. */
#include "freeze/reaper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "freeze/deadline.h"

#define PATIENCE_MS 10
#define SIGNAL_SKIP SIGRTMAX

/* A look first: waiting for a death would also take the news of a stop from a tracee. */
static void reap_if_dead(pid_t tid)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return;
	if (info.si_pid == tid && info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
		(void)waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
}

/* Leaders are nobody's hindrance, and may be children that somebody else waits for. */
static void reap_threads(pid_t pid)
{
	char path[32];
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	list = opendir(path);
	while (list && (entry = readdir(list))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && tid != pid)
			reap_if_dead(tid);
	}
}

/* Only a ptrace call that is about to be started (again) is skipped. */
static void skip_call(int sig, siginfo_t *info, void *context)
{
	static const unsigned char syscall_code[] = { 0x0f, 0x05 };
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (registers[REG_RAX] != SYS_ptrace ||
	    memcmp((const void *)registers[REG_RIP], syscall_code, sizeof(syscall_code)) != 0)
		return;
	registers[REG_RIP] += sizeof(syscall_code);
	registers[REG_RAX] = -EINTR;
}

static void *run(void *argument)
{
	struct reaper *reaper = argument;
	struct pollfd end = { .fd = reaper->end, .events = POLLIN };
	pid_t last = 0;

	atomic_store(&reaper->self, gettid());
	while (poll(&end, 1, PATIENCE_MS) == 0) {
		pid_t pid = atomic_load(&reaper->pid);

		if (pid && pid == last)
			reap_threads(pid);
		if (pid && pid == last && clock_us() >= reaper->deadline)
			(void)syscall(SYS_tgkill, getpid(), reaper->tracer, SIGNAL_SKIP);
		last = pid;
	}
	return NULL;
}

static void take_signal(struct reaper *reaper)
{
	struct sigaction action = { .sa_sigaction = skip_call,
				    .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t set;

	(void)sigaction(SIGNAL_SKIP, &action, &reaper->old);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGNAL_SKIP);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The caller's mask is given back by tasks_unlisten(). */
void reaper_start(struct reaper *reaper, uint64_t deadline)
{
	sigset_t all;
	sigset_t old;

	atomic_store(&reaper->pid, 0);
	reaper->tracer = gettid();
	reaper->deadline = deadline;
	reaper->end = eventfd(0, EFD_CLOEXEC);
	if (reaper->end < 0)
		return;
	take_signal(reaper);
	/* Signals are for the others. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&reaper->thread, NULL, run, reaper) != 0) {
		drop_fd(&reaper->end);
		(void)sigaction(SIGNAL_SKIP, &reaper->old, NULL);
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void reaper_watch(struct reaper *reaper, pid_t pid)
{
	atomic_store(&reaper->pid, pid);
}

void reaper_stop(struct reaper *reaper)
{
	uint64_t one = 1;

	if (reaper->end < 0)
		return;
	(void)!write(reaper->end, &one, sizeof(one));
	(void)pthread_join(reaper->thread, NULL);
	/* That returns when the thread gives up its memory. Until the kernel has taken it off the
	 * list, this process has two, and may not enter a user namespace. */
	while (syscall(SYS_tgkill, getpid(), atomic_load(&reaper->self), 0) == 0)
		(void)sched_yield();
	(void)sigaction(SIGNAL_SKIP, &reaper->old, NULL);
	drop_fd(&reaper->end);
}
