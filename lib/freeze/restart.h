/* Calls that give up with EINTR although no signal came but our stop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* These registers say so: they are set back to before the call. `pending` are signals that the
 * thread has not taken and does not block: for those the call was right to give up. */
bool restart_registers(struct user_regs_struct *regs, uint64_t pending);
/* The same for a thread that has just been stopped by ptrace. */
void restart_call(pid_t pid, pid_t tid);
