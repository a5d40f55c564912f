/* The kernel starts most interrupted calls anew by itself (ERESTARTSYS and its like). Those here
 * return EINTR for every interruption, signal(7): a stop by ptrace must not be seen, so they are
 * started anew by us. */
#include "freeze/restart.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "freeze/tasks.h"

/* Sockets do so where they have a time limit (SO_RCVTIMEO), so reading and writing are in it. */
static bool gives_up(uint64_t call)
{
	switch (call) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case 441: /* epoll_pwait2 */
	case SYS_rt_sigtimedwait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_io_getevents:
	case SYS_read:
	case SYS_readv:
	case SYS_write:
	case SYS_writev:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_accept:
	case SYS_accept4:
		return true;
	default:
		return false;
	}
}

/* socketcall(2) and ipc(2) with a number of their own; asm/unistd_32.h. */
static bool multiplexed_gives_up(uint64_t call, uint32_t number)
{
	enum { SOCKETCALL = 102, IPC = 117 };

	if (call == IPC)
		return (number & 0xffff) == 1 || (number & 0xffff) == 4; /* semop, semtimedop */
	if (call != SOCKETCALL)
		return false;
	/* accept; send to recvfrom; sendmsg to sendmmsg */
	return number == 5 || (number >= 9 && number <= 12) || (number >= 16 && number <= 20);
}

/* The same calls, by the numbers that programs of 32 bits have for them. */
static bool gives_up_32(uint64_t call, uint32_t first)
{
	switch (call) {
	case 256: /* epoll_wait */
	case 319: /* epoll_pwait */
	case 441: /* epoll_pwait2 */
	case 177: /* rt_sigtimedwait */
	case 421: /* rt_sigtimedwait_time64 */
	case 420: /* semtimedop_time64 */
	case 247: /* io_getevents */
	case 3:	  /* read */
	case 145: /* readv */
	case 4:	  /* write */
	case 146: /* writev */
	case 371: /* recvfrom */
	case 372: /* recvmsg */
	case 337: /* recvmmsg */
	case 417: /* recvmmsg_time64 */
	case 369: /* sendto */
	case 370: /* sendmsg */
	case 345: /* sendmmsg */
	case 364: /* accept4 */
		return true;
	default:
		return multiplexed_gives_up(call, first);
	}
}

static bool is_given_up(const struct user_regs_struct *regs)
{
	enum { CODE_32 = 0x23 }; /* asm/segment.h */

	return regs->cs == CODE_32 ? gives_up_32(regs->orig_rax, (uint32_t)regs->rbx)
				   : gives_up(regs->orig_rax);
}

bool restart_registers(struct user_regs_struct *regs, uint64_t pending)
{
	if ((int64_t)regs->rax != -EINTR || (int64_t)regs->orig_rax < 0 || !is_given_up(regs) ||
	    pending != 0)
		return false;
	regs->rax = regs->orig_rax;
	regs->rip -= 2; /* the length of `syscall`, and of `int $0x80` */
	regs->orig_rax = (uint64_t)-1;
	return true;
}

static bool read_pending(pid_t pid, pid_t tid, uint64_t *ret_pending)
{
	char text[8192];
	uint64_t own;
	uint64_t shared;
	uint64_t blocked;

	if (!task_read(pid, tid, "status", text, sizeof(text)) ||
	    !procfs_field(text, "SigPnd", 16, &own) || !procfs_field(text, "ShdPnd", 16, &shared) ||
	    !procfs_field(text, "SigBlk", 16, &blocked))
		return false;
	*ret_pending = (own | shared) & ~blocked;
	return true;
}

void restart_call(pid_t pid, pid_t tid)
{
	struct user_regs_struct regs;
	uint64_t pending;

	if (ptrace(PTRACE_GETREGS, tid, 0, &regs) < 0 || (int64_t)regs.rax != -EINTR ||
	    (int64_t)regs.orig_rax < 0)
		return;
	if (read_pending(pid, tid, &pending) && restart_registers(&regs, pending))
		(void)ptrace(PTRACE_SETREGS, tid, 0, &regs);
}
