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

static uint64_t bit(int number)
{
	return 1ull << (number - 1);
}

int remote_block(struct remote *remote, uint64_t open, struct err *err)
{
	uint64_t mask = ~open;

	if (ptrace(PTRACE_SETSIGMASK, remote->tid, sizeof(mask), &mask) < 0)
		return err_set(err, -errno, "block signals of task %d", remote->tid);
	return 0;
}

int remote_give_back(struct remote *remote, struct err *err)
{
	remote->is_awake = false;
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &remote->saved) < 0)
		return err_set(err, -errno, "restore registers of task %d", remote->tid);
	if (ptrace(PTRACE_SETSIGMASK, remote->tid, sizeof(remote->saved_mask),
		   &remote->saved_mask) < 0)
		return err_set(err, -errno, "restore signal mask of task %d", remote->tid);
	return 0;
}

/* Signals that do nothing by default, and mean little to those who handle them. One that is pending
 * already would be taken for ours. */
static int choose_signal(uint64_t pending)
{
	static const int candidates[] = { SIGURG, SIGWINCH, SIGCHLD };

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (!(pending & bit(candidates[i])))
			return candidates[i];
	}
	return 0;
}

int remote_prepare(struct remote *remote, uint64_t pending, struct err *err)
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
	if (remote->outlives_us) {
		remote->stop_signal = choose_signal(pending);
		if (!remote->stop_signal)
			return err_set(err, ERR_FAILED,
				       "task %d has SIGURG, SIGWINCH and SIGCHLD pending",
				       remote->tid);
	} else {
		/* SIGTRAP stays open: see README.md. */
		r = remote_block(remote, bit(SIGTRAP), err);
	}
	remote->is_prepared = r == 0;
	return r;
}

int remote_finish(struct remote *remote, struct err *err)
{
	struct err late = ERR_NONE;
	int back;
	int r = 0;

	if (!remote->is_prepared)
		return 0;
	remote->is_prepared = false;
	if (remote->zone.code && remote->owns_zone)
		r = remote_zone_unmap(remote, err);
	/* Whatever went wrong, it gets back what is its own. */
	back = remote_give_back(remote, r < 0 ? &late : err);
	remote_send_kept(remote);
	return r < 0 ? r : back;
}

static int step_to_syscall_stop(struct remote *remote, struct err *err)
{
	int status;
	int r;

	if (ptrace(PTRACE_SYSCALL, remote->tid, 0, 0) < 0)
		return err_set(err, -errno, "restart task %d", remote->tid);
	r = remote_wait_stop(remote, PTRACE_SYSCALL, &status, err);
	if (r < 0)
		return r;
	if ((WSTOPSIG(status) & 0x7f) != SIGTRAP || status >> 16 != 0)
		return err_set(err, ERR_FAILED, "task %d: stopped by %s instead of a system call",
			       remote->tid, strsignal(WSTOPSIG(status)));
	return 0;
}

static void set_call_64(struct user_regs_struct *regs, long nr, const uint64_t args[6])
{
	regs->rax = (uint64_t)nr;
	regs->rdi = args[0];
	regs->rsi = args[1];
	regs->rdx = args[2];
	regs->r10 = args[3];
	regs->r8 = args[4];
	regs->r9 = args[5];
}

static void set_call_32(struct user_regs_struct *regs, long nr, const uint64_t args[6])
{
	regs->rax = (uint64_t)nr;
	regs->rbx = args[0];
	regs->rcx = args[1];
	regs->rdx = args[2];
	regs->rsi = args[3];
	regs->rdi = args[4];
	regs->rbp = args[5];
}

/* The few calls that are made without a zone, as programs of 32 bits make them; asm/unistd_32.h.
 * Offsets of files are 0. */
static long number_32(long nr)
{
	switch (nr) {
	case SYS_mmap:
		return 192; /* mmap2 */
	case SYS_munmap:
		return 91;
	case SYS_rt_sigaction:
		return 174;
	default:
		return -1; /* no call: ENOSYS */
	}
}

static int prepare_call(const struct remote *remote, struct user_regs_struct *regs, long nr,
			const uint64_t args[6], struct err *err)
{
	if (!remote->zone.is_gadget_32) {
		set_call_64(regs, nr, args);
		return remote_check_call(remote, "a system call", (uint64_t)nr, args, err);
	}
	nr = number_32(nr);
	set_call_32(regs, nr, args);
	return remote_check_call_32(remote, "a system call", (uint64_t)nr, args, err);
}

int remote_syscall(struct remote *remote, int64_t *ret_result, struct err *err, long nr,
		   const uint64_t args[6])
{
	struct user_regs_struct regs = remote->saved;
	int r = prepare_call(remote, &regs, nr, args, err);

	if (r < 0)
		return r;
	regs.rip = remote->zone.gadget;
	regs.orig_rax = (uint64_t)-1;
	r = remote_block(remote, 0, err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_SETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "set registers of task %d", remote->tid);

	r = step_to_syscall_stop(remote, err);
	if (r == 0)
		r = step_to_syscall_stop(remote, err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_GETREGS, remote->tid, 0, &regs) < 0)
		return err_set(err, -errno, "read registers of task %d", remote->tid);
	if (regs.rip != remote->zone.gadget + 2)
		return err_set(err, ERR_FAILED, "task %d: a system call was interrupted",
			       remote->tid);
	*ret_result = (int64_t)regs.rax;
	return remote->outlives_us ? remote_give_back(remote, err)
				   : remote_block(remote, bit(SIGTRAP), err);
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
