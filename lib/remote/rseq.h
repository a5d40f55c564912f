/* Restartable sequences of a stopped thread, rseq(2). */
#pragma once

#include "core/err.h"
#include "remote/remote.h"

/* If the thread was stopped in a critical section, sets remote->saved.rip to its abort handler. */
int remote_rseq_abort(struct remote *remote, struct err *err);
