/* A holder keeps a target frozen by ptrace where no cgroup can do it: a process in the background
 * that answers on a socket in the registry's directory. As a task has one tracer only, whatever is
 * to be done to the target meanwhile is done by the holder, on request.
 *
 * A connection (SOCK_SEQPACKET) carries one request and its reply. The holder ends when the target
 * is thawed, killed, or dead; should it be killed, the target runs on. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/worker.h"
#include "freeze/freeze.h"
#include "target/target.h"

#define HOLDER_REQUEST_MAX (64u << 10) /* bytes */
#define HOLDER_FDS_MAX	   16u

enum holder_verb {
	HOLDER_STATUS, /* the reply is a struct holder_status */
	HOLDER_THAW,   /* lets the target run; the holder ends */
	HOLDER_RUN,    /* the holder calls its serve function */
};

struct holder_status {
	uint32_t tasks;
	uint32_t threads;
	uint64_t freezing_time; /* microseconds */
};

/* Carries out a HOLDER_RUN in the holder. `fds` are the client's, and closed afterwards. If it
 * releases or kills *freeze, the holder ends after the reply. */
typedef int holder_serve_fn(struct freeze *freeze, const void *request, size_t size, const int *fds,
			    size_t fd_count, struct buf *reply, struct err *err);

/* Freezes the target and leaves a holder behind. `serve` may be NULL. */
int holder_start(const struct target *target, holder_serve_fn *serve,
		 struct holder_status *ret_status, struct err *err);
/* In a worker that traces all tasks of *freeze already: becomes their holder, reports to the
 * worker's parent, and returns when the holding is over. *freeze is taken over. */
int holder_keep(struct worker *worker, struct freeze *freeze, holder_serve_fn *serve,
		struct err *err);
/* -ENOENT without err if there is none. */
int holder_connect(const struct target *target, int *ret_fd, struct err *err);
/* Sends a request with descriptors, waits for the reply, however long it takes, and returns what
 * the holder's work returned. `reply` may be NULL. The connection is then used up. */
int holder_request(int fd, enum holder_verb verb, const void *request, size_t size, const int *fds,
		   size_t fd_count, struct buf *reply, struct err *err);

/* The processes among a freeze's threads. */
uint32_t freeze_count_tasks(const struct freeze *freeze);
