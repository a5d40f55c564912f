/* How a thread goes on alone: see remote.h and stub.c. */
#include "remote/remote.h"

/* The kernel would start an interrupted call anew: the codes are those of its linux/errno.h. */
static bool is_restarted(const struct user_regs_struct *regs)
{
	int64_t result = (int64_t)regs->rax;

	return (int64_t)regs->orig_rax >= 0 &&
	       (result == -512 || result == -513 || result == -514 || result == -516);
}

static struct remote_heal heal_of(const struct remote *remote)
{
	const struct user_regs_struct *regs = &remote->saved;
	bool again = is_restarted(regs);

	return (struct remote_heal){
		.signal = (uint64_t)remote->stop_signal,
		.mask = remote->saved_mask,
		.rip = again ? regs->rip - 2 : regs->rip,
		.flags = regs->eflags,
		.rsp = regs->rsp,
		.rax = again ? regs->orig_rax : regs->rax,
		.rbx = regs->rbx,
		.rcx = regs->rcx,
		.rdx = regs->rdx,
		.rsi = regs->rsi,
		.rdi = regs->rdi,
		.rbp = regs->rbp,
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
	};
}

int remote_write_heal(struct remote *remote, size_t number, struct err *err)
{
	struct remote_heal heal = heal_of(remote);

	remote->heal = remote->zone.data + remote->zone.size + number * REMOTE_HEAL_SIZE;
	return remote_write(remote, remote->heal, &heal, sizeof(heal), err);
}
