/* The container's first task, traced from before its program until it is about to begin. */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "container/container.h"
#include "restore/restore.h"

int restore_seize_first(pid_t init, struct err *err)
{
	static const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
				    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;

	if (ptrace(PTRACE_SEIZE, init, 0, options) == 0)
		return 0;
	(void)err_set(err, -errno, "trace the container's first task");
	return err_hint(err, "is ptrace restricted? see ctckpt check");
}

/* From the stop within execve to one in front of the program's first instruction. */
static int leave_exec(pid_t init, struct err *err)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, init, 0, 0) < 0 || ptrace(PTRACE_CONT, init, 0, 0) < 0 ||
	    waitpid(init, &status, __WALL) < 0)
		return err_set(err, -errno, "stop the container's first task");
	if (!WIFSTOPPED(status) || status >> 16 != PTRACE_EVENT_STOP)
		return err_set(err, ERR_FAILED, "the container's first task did not stop");
	return 0;
}

int restore_await_exec(struct container *container, struct err *err)
{
	pid_t init = container->init;
	int status;

	for (;;) {
		if (waitpid(init, &status, __WALL) < 0)
			return err_set(err, -errno, "wait for the container's first task");
		if (!WIFSTOPPED(status)) {
			int r = container_wait_exec(container, err);

			container->init = 0; /* its pid may be another's now */
			return r < 0 ? r : err_set(err, ERR_FAILED, "the first task died");
		}
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return leave_exec(init, err);
		if (ptrace(PTRACE_CONT, init, 0, status >> 16 ? 0 : WSTOPSIG(status)) < 0)
			return err_set(err, -errno, "restart the container's first task");
	}
}
