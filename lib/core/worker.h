/* Work in a child process that outlives a kill -9 of its parent long enough to undo itself.
 *
 * The command that the user sees only waits. The worker (its child, in a session of its own) holds
 * whatever must be given back: ptraced tasks, a frozen cgroup, half an image. When the command
 * dies, worker_is_cancelled() turns true; long operations ask it between their steps and unwind
 * as after any error. When the worker dies, the command says so and runs `after`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct worker; /* as the worker sees itself */

struct worker_job {
	/* Runs in the child; its result struct (flat: no pointers) and its err travel back. */
	int (*work)(struct worker *worker, void *argument, void *result, struct err *err);
	/* Runs in the parent if the worker was killed; may be NULL. */
	void (*after)(void *argument);
	/* Runs in the parent for every message of worker_tell(); may be NULL. */
	void (*told)(void *argument, const void *message, size_t size);
	void *argument;
	void *result;
	size_t result_size;
	unsigned int patience_ms; /* for worker_watch() */
};

/* Runs the job and returns what the work returned. */
int worker_run(const struct worker_job *job, struct err *err);

bool worker_is_cancelled(struct worker *worker);
/* Polls to this readable end also: EOF means cancelled. */
int worker_lifeline(const struct worker *worker);
/* Sends a message (at most 64 KiB) to the parent's `told`. Errors are ignored: nobody listens. */
void worker_tell(struct worker *worker, const void *message, size_t size);
/* From now on, or no more: a worker that waits for one and the same thing longer than the job's
 * patience is killed. What a target has may be served by a process that stands still. */
void worker_watch(struct worker *worker, bool is_watched);
/* Gives the result to the parent now, which returns from worker_run; the worker goes on alone
 * (a holder, or the parent of a container in the background). */
void worker_report(struct worker *worker, const struct err *err);
