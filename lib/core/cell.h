/* A cell: a process of ours for work on an enemy's bytes, which can do that and nothing else.
 *
 * It is forked, and executes nothing: it has a copy of our memory to work on, and no way to alter
 * ours. All descriptors are closed but those that the job names; it gets no new privileges, cannot
 * be traced or dumped, has bounds on memory and processor time, and dies with us. A seccomp filter
 * lets it read, write to one channel, use memory and end: whatever else it tries - open a file,
 * make a socket or a process, execute, trace or signal - kills it.
 *
 * What comes out is a verdict: a code and a sentence. One that was taken over can say what it
 * likes: a verdict of "good" must not be worth more than the bytes were before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct cell_job {
	const char *name; /* for messages: "the reader of the image" */
	/* In the cell; what it returns, and its *err, is the verdict. */
	int (*work)(void *argument, struct err *err);
	void *argument;
	int input;	    /* stays open, to read from; -1: nothing */
	int channel;	    /* stays open, to read from and write to; -1: nothing */
	uint64_t memory;    /* bytes that it may use more than we do */
	uint64_t time;	    /* seconds of processor time */
	const char *remedy; /* the hint where it cannot be confined; may be NULL */
	bool is_open; /* no filter, where there can be none: closed descriptors and bounds only */
};

struct cell {
	pid_t pid; /* 0: there is none, or it is reaped */
	const char *name;
	uint64_t memory;
	uint64_t time;
	struct cell_verdict *verdict; /* owned: shared with it */
};
#define CELL_NONE ((struct cell){ .pid = 0 })

int cell_start(const struct cell_job *job, struct cell *ret_cell, struct err *err);
/* Waits for its end. Returns the verdict; ERR_DAMAGED if it died instead, with a sentence that says
 * of what; ERR_HOST if it could not be confined: then it did no work. */
int cell_wait(struct cell *cell, struct err *err);
/* Ends it, whatever it does. */
void cell_free(struct cell *cell);
#define auto_cell __attribute__((cleanup(cell_free)))
/* cell_start() and cell_wait(). */
int cell_run(const struct cell_job *job, struct err *err);
