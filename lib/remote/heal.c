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

/* Nothing of its stack is in use below its pointer: there is no red zone. */
static struct remote_heal_32 heal_of_32(const struct remote *remote)
{
	const struct user_regs_struct *regs = &remote->saved;
	bool again = is_restarted(regs);
	uint64_t stack = regs->rsp - (offsetof(struct remote_heal_32, stack) -
				      offsetof(struct remote_heal_32, edi));

	return (struct remote_heal_32){
		.signal = (uint64_t)remote->stop_signal,
		.mask = remote->saved_mask,
		.edi = (uint32_t)regs->rdi,
		.esi = (uint32_t)regs->rsi,
		.ebp = (uint32_t)regs->rbp,
		.ebx = (uint32_t)regs->rbx,
		.edx = (uint32_t)regs->rdx,
		.ecx = (uint32_t)regs->rcx,
		.eax = (uint32_t)(again ? regs->orig_rax : regs->rax),
		.flags = (uint32_t)regs->eflags,
		.eip = (uint32_t)(again ? regs->rip - 2 : regs->rip),
		.stack = (uint32_t)stack,
		.rip = remote->zone.code + remote_return_32_offset(),
		.cs = REMOTE_CODE_32,
		.rflags = 0x202,
		.rsp = (uint32_t)stack,
		.ss = REMOTE_DATA,
	};
}

int remote_write_heal(struct remote *remote, size_t number, struct err *err)
{
	struct remote_heal heal = heal_of(remote);
	struct remote_heal_32 heal_32 = heal_of_32(remote);

	remote->heal = remote->zone.data + remote->zone.size + number * REMOTE_HEAL_SIZE;
	if (remote_is_32(remote))
		return remote_write(remote, remote->heal, &heal_32, sizeof(heal_32), err);
	return remote_write(remote, remote->heal, &heal, sizeof(heal), err);
}
