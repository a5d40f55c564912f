/* Waiting for a traced thread to stop. */
#pragma once

#include "core/err.h"
#include "remote/remote.h"

/* Waits until the thread stops; *ret_status is as of waitpid(2). A thread that died instead is an
 * error. Stops of no meaning (a PTRACE_EVENT_STOP by SIGCONT or an interrupt) are passed.
 *
 * One that outlives us is an enemy's: it may have been made to go round for ever in code that we
 * found in it, or wait for a server that stands still. It is interrupted then, and is an error. The
 * signal that no mask blocks, SIGSTOP, is kept from it, and sent again by remote_finish(). */
int remote_wait_stop(struct remote *remote, int restart_request, int *ret_status, struct err *err);
/* Sends what was kept, if the thread was not told to go on since. */
void remote_send_kept(struct remote *remote);
