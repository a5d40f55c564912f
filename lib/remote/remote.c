/* A stopped thread's registers and signal mask, its memory, and single system calls in it. */
#include "remote/remote.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/rseq.h"
#include "remote/stop.h"

int remote_wait_stop(pid_t tid, int restart_request, int *ret_status, struct err *err)
{
	for (;;) {
		int status;

		if (waitpid(tid, &status, __WALL) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, -errno, "wait for task %d", tid);
		}
		if (!WIFSTOPPED(status))
			return err_set(err, ERR_FAILED, "task %d died while it was stopped", tid);
		if (status >> 16 != PTRACE_EVENT_STOP) {
			*ret_status = status;
			return 0;
		}
		if (ptrace(restart_request, tid, 0, 0) < 0)
			return err_set(err, -errno, "restart task %d", tid);
	}
}

/* SIGTRAP stays open: see README.md. */
static const uint64_t blocked_mask = ~(1ull << (SIGTRAP - 1));

static int set_mask(const struct remote *remote, uint64_t mask, struct err *err)
{
	if (ptrace(PTRACE_SETSIGMASK, remote->tid, sizeof(mask), &mask) < 0)
		return err_set(err, -errno, "set signal mask of task %d", remote->tid);
	return 0;
}

static int restore_state(const struct remote *remote, struct err *err)
{
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &remote->saved) < 0)
		return err_set(err, -errno, "restore registers of task %d", remote->tid);
	return set_mask(remote, remote->saved_mask, err);
}

int remote_wake(struct remote *remote, struct err *err)
{
	if (!remote->is_resting)
		return 0;
	remote->is_resting = false;
	return set_mask(remote, blocked_mask, err);
}

int remote_rest(struct remote *remote, struct err *err)
{
	if (!remote->outlives_us || !remote->is_prepared)
		return 0;
	remote->is_resting = true;
	return restore_state(remote, err);
}

int remote_prepare(struct remote *remote, struct err *err)
{
	int r;

	if (ptrace(PTRACE_GETREGS, remote->tid, 0, &remote->saved) < 0)
		return err_set(err, -errno, "read registers of task %d", remote->tid);
	if (ptrace(PTRACE_GETSIGMASK, remote->tid, sizeof(remote->saved_mask),
		   &remote->saved_mask) < 0)
		return err_set(err, -errno, "read signal mask of task %d", remote->tid);
	r = remote_rseq_abort(remote, err);
	if (r < 0)
		return r;
	remote->is_prepared = true;
	if (remote->outlives_us)
		return remote_rest(remote, err);
	return set_mask(remote, blocked_mask, err);
}

/* Puts back SIG_IGN for SIGTRAP, which our int3 turned into the default; flags and mask of the
 * action are still there. Needs the zone. */
static int ignore_sigtrap(struct remote *remote, struct err *err)
{
	const uint64_t ignore = (uint64_t)(uintptr_t)SIG_IGN;
	uint64_t place = remote->zone.data;
	int64_t result;
	int r;

	r = remote_syscall(remote, &result, err, SYS_rt_sigaction,
			   (const uint64_t[6]){ SIGTRAP, 0, place, 8 });
	if (r == 0)
		r = remote_write(remote, place, &ignore, sizeof(ignore), err);
	if (r < 0)
		return r;
	return remote_syscall(remote, &result, err, SYS_rt_sigaction,
			      (const uint64_t[6]){ SIGTRAP, place, 0, 8 });
}

int remote_finish(struct remote *remote, struct err *err)
{
	struct err late = ERR_NONE;
	int r = 0;

	if (!remote->is_prepared)
		return 0;
	remote->is_prepared = false;
	if (remote->is_sigtrap_ignored && remote->zone.code)
		r = ignore_sigtrap(remote, err);
	if (r == 0 && remote->zone.code && remote->owns_zone)
		r = remote_zone_unmap(remote, err);
	if (restore_state(remote, r < 0 ? &late : err) < 0)
		return r < 0 ? r : err->code;
	return r;
}

static int step_to_syscall_stop(struct remote *remote, struct err *err)
{
	int status;
	int r;

	if (ptrace(PTRACE_SYSCALL, remote->tid, 0, 0) < 0)
		return err_set(err, -errno, "restart task %d", remote->tid);
	r = remote_wait_stop(remote->tid, PTRACE_SYSCALL, &status, err);
	if (r < 0)
		return r;
	if ((WSTOPSIG(status) & 0x7f) != SIGTRAP || status >> 16 != 0)
		return err_set(err, ERR_FAILED, "task %d: stopped by %s instead of a system call",
			       remote->tid, strsignal(WSTOPSIG(status)));
	return 0;
}

static int run_syscall(struct remote *remote, int64_t *ret_result, struct err *err, long nr,
		       const uint64_t args[6])
{
	struct user_regs_struct regs = remote->saved;
	int r;

	regs.rax = (uint64_t)nr;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	regs.rip = remote->zone.gadget;
	regs.orig_rax = (uint64_t)-1;
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "set registers of task %d", remote->tid);

	r = step_to_syscall_stop(remote, err);
	if (r < 0)
		return r;
	r = step_to_syscall_stop(remote, err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_GETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "read registers of task %d", remote->tid);
	if (regs.rip != remote->zone.gadget + 2)
		return err_set(err, ERR_FAILED, "task %d: a system call was interrupted",
			       remote->tid);
	*ret_result = (int64_t)regs.rax;
	return 0;
}

int remote_syscall(struct remote *remote, int64_t *ret_result, struct err *err, long nr,
		   const uint64_t args[6])
{
	int r = remote_wake(remote, err);

	if (r == 0)
		r = run_syscall(remote, ret_result, err, nr, args);
	return r < 0 ? r : remote_rest(remote, err);
}

int remote_read(const struct remote *remote, uint64_t address, void *data, size_t size,
		struct err *err)
{
	struct iovec local = { data, size };
	struct iovec remote_side = { (void *)(uintptr_t)address, size };
	ssize_t n = process_vm_readv(remote->tid, &local, 1, &remote_side, 1, 0);

	if (n == (ssize_t)size)
		return 0;
	return err_set(err, n < 0 ? -errno : -EFAULT, "read %zu bytes of task %d", size,
		       remote->tid);
}

int remote_write(const struct remote *remote, uint64_t address, const void *data, size_t size,
		 struct err *err)
{
	struct iovec local = { (void *)(uintptr_t)data, size };
	struct iovec remote_side = { (void *)(uintptr_t)address, size };
	ssize_t n = process_vm_writev(remote->tid, &local, 1, &remote_side, 1, 0);

	if (n == (ssize_t)size)
		return 0;
	return err_set(err, n < 0 ? -errno : -EFAULT, "write %zu bytes to task %d", size,
		       remote->tid);
}
