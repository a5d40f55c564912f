/* A thread that reaps where we would hang. See reaper.h. */
#include "freeze/reaper.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "core/cleanup.h"

#define PATIENCE_MS 10

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
		siginfo_t info;

		if (tid > 0 && tid != pid)
			(void)waitid(P_PID, (id_t)tid, &info, WEXITED | WNOHANG | __WALL);
	}
}

static void *run(void *argument)
{
	struct reaper *reaper = argument;
	struct pollfd end = { .fd = reaper->end, .events = POLLIN };
	pid_t last = 0;

	while (poll(&end, 1, PATIENCE_MS) == 0) {
		pid_t pid = atomic_load(&reaper->pid);

		if (pid && pid == last)
			reap_threads(pid);
		last = pid;
	}
	return NULL;
}

void reaper_start(struct reaper *reaper)
{
	sigset_t all;
	sigset_t old;

	atomic_store(&reaper->pid, 0);
	reaper->end = eventfd(0, EFD_CLOEXEC);
	if (reaper->end < 0)
		return;
	/* Signals are for the others. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&reaper->thread, NULL, run, reaper) != 0)
		drop_fd(&reaper->end);
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
	drop_fd(&reaper->end);
}
