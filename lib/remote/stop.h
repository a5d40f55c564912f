/* Waiting for a traced thread to stop. */
#pragma once

#include <sys/types.h>

#include "core/err.h"

/* Waits until the thread stops; *ret_status is as of waitpid(2). A thread that died instead is an
 * error. Stops of no meaning (a PTRACE_EVENT_STOP by SIGCONT or an interrupt) are passed. */
int remote_wait_stop(pid_t tid, int restart_request, int *ret_status, struct err *err);
