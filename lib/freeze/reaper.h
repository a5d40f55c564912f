/* A thread that reaps where we would hang. For lib/freeze only.
 *
 * A thread that executes a program (execve(2)) holds a lock that PTRACE_SEIZE of it waits for,
 * while it waits until the other threads of its process are dead and reaped: by us, if we have
 * seized them before. Any thread of the tracer's process may reap.
 *
 * Where reaping does not help (somebody else traces those threads, or the program's file can't be
 * read because its server is a task that we stopped), the call has to be broken off at the
 * deadline, which the kernel would not do by itself: it restarts after every signal. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct reaper {
	pthread_t thread;
	int end; /* eventfd; -1: not started */
	_Atomic pid_t pid;
	_Atomic pid_t self; /* the thread that reaps */
	pid_t tracer;	    /* the thread that may hang */
	uint64_t deadline;
	struct sigaction old;
};

#define REAPER_NONE ((struct reaper){ .end = -1 })

/* For the calling thread. A ptrace call that hangs past the deadline returns EINTR. If it can't be
 * started, all works as long as nobody executes a program at the wrong time. */
void reaper_start(struct reaper *reaper, uint64_t deadline);
/* The process whose threads are being seized; 0: none. */
void reaper_watch(struct reaper *reaper, pid_t pid);
/* Then the calling thread is alone again, for setns(2) too. */
void reaper_stop(struct reaper *reaper);
#define auto_reaper __attribute__((cleanup(reaper_stop)))
