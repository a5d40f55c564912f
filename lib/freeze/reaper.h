/* A thread that reaps where we would hang. For lib/freeze only.
 *
 * A thread that executes a program (execve(2)) holds a lock that PTRACE_SEIZE of it waits for,
 * while it waits until the other threads of its process are dead and reaped: by us, if we have
 * seized them before. Any thread of the tracer's process may reap. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct reaper {
	pthread_t thread;
	int end; /* eventfd; -1: not started */
	_Atomic pid_t pid;
};

#define REAPER_NONE ((struct reaper){ .end = -1 })

/* Without one, all works as long as nobody executes a program at the wrong time. */
void reaper_start(struct reaper *reaper);
/* The process whose threads are being seized; 0: none. */
void reaper_watch(struct reaper *reaper, pid_t pid);
void reaper_stop(struct reaper *reaper);
#define auto_reaper __attribute__((cleanup(reaper_stop)))
