/* A restore in the foreground: signals to the command go to the container, by way of the worker,
 * which is the parent of its first task. Before the container runs, they end the command, as ever.
 */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"

struct foreground {
	pthread_t thread;
	bool is_started;
	sigset_t signals;
	sigset_t saved;
	int wake[2]; /* a byte: the worker's pid follows; EOF: the end */
};

#define FOREGROUND_NONE ((struct foreground){ .wake = { -1, -1 } })

/* In the command, before the worker is forked: from now on signals wait for the thread. */
int foreground_begin(struct foreground *foreground, struct err *err);
/* The container runs: the worker takes signals for it now. */
void foreground_set_worker(struct foreground *foreground, pid_t worker);
void foreground_end(struct foreground *foreground);
