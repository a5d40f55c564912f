/* Runs a part of a test in a child whose system calls can be given other answers than the kernel's,
 * or between two of which something can happen: for what goes wrong once in a lifetime. */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* At the end of each system call of the child, and of its own children: regs->orig_rax has the
 * number, regs->rax the result. True: the registers have been altered. */
typedef bool (*answer_fn)(void *argument, pid_t tid, struct user_regs_struct *regs);

static inline bool answer_is(const struct user_regs_struct *regs, long number)
{
	return regs->orig_rax == (unsigned long long)number;
}

/* Puts bytes where one of its arguments points. */
static inline bool answer_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	struct iovec own = { (void *)(uintptr_t)bytes, size };
	struct iovec theirs = { (void *)(uintptr_t)address, size };

	return process_vm_writev(tid, &own, 1, &theirs, 1, 0) == (ssize_t)size;
}

static inline void answer_call(pid_t tid, answer_fn at_end, void *argument)
{
	struct __ptrace_syscall_info info = { .op = PTRACE_SYSCALL_INFO_NONE };
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_EXIT || ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0)
		return;
	if (at_end(argument, tid, &regs))
		(void)ptrace(PTRACE_SETREGS, tid, 0, &regs);
}

/* The child's status as of waitpid(2), when it has ended. */
static inline int answer_all(pid_t child, answer_fn at_end, void *argument)
{
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int number = 0;

		if (!WIFSTOPPED(status)) {
			if (tid == child)
				return status;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			answer_call(tid, at_end, argument);
		/* Stops of the tracer's own are no signals. */
		else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
			number = WSTOPSIG(status);
		(void)ptrace(PTRACE_SYSCALL, tid, 0, number);
	}
	return -1;
}

/* `run` has failed where it made `unit` fail. It has whatever `argument` is for itself. */
static inline void with_answers(struct unit *unit, void (*run)(struct unit *unit, void *argument),
				answer_fn at_end, void *argument)
{
	const int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
			    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	int status = 1;
	pid_t child = fork();

	if (child == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		(void)raise(SIGSTOP);
		run(unit, argument);
		(void)fflush(stdout);
		_exit(unit->has_failed ? 1 : 0);
	}
	if (EXPECT(unit, waitpid(child, &status, 0) == child && WIFSTOPPED(status)) &&
	    EXPECT(unit, ptrace(PTRACE_SETOPTIONS, child, 0, options) == 0 &&
			     ptrace(PTRACE_SYSCALL, child, 0, 0) == 0))
		status = answer_all(child, at_end, argument);
	else
		(void)kill(child, SIGKILL);
	EXPECT(unit, status == 0);
}
