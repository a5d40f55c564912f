/* registers: a thread: its tid, signal mask, general registers and extended state (xsave). */
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/compat.h"
#include "kind/support/mm.h"
#include "kind/support/owner.h"
#include "kind/support/tcp_queues.h"
#include "kind/support/tree.h"

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

extern const struct kind kind_registers;
static_assert(sizeof(struct user_regs_struct) == 27 * 8, "x86-64 registers");

static int registers_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	auto_free void *xstate = mem_alloc(XSTATE_MAX, 1);
	struct iovec vector = { xstate, XSTATE_MAX };
	const struct dump_thread *thread = d->thread;
	struct registers_rec rec = {
		.task = le32_make(d->task->id),
		.tid = le32_make((uint32_t)thread->vtid),
		.number = le32_make((uint32_t)(thread - d->task->threads)),
		.blocked = le64_make(thread->remote.saved_mask),
	};
	uint64_t regs[27];

	if (ptrace(PTRACE_GETREGSET, thread->tid, NT_X86_XSTATE, &vector) < 0)
		return err_set(err, -errno, "read extended state");
	rec.xstate_size = le32_make((uint32_t)vector.iov_len);
	memcpy(regs, &thread->remote.saved, sizeof(regs));
	if (tcp_connect_is_done(d))
		regs[offsetof(struct user_regs_struct, rax) / 8] = 0;
	for (size_t i = 0; i < 27; i++)
		rec.regs[i] = le64_make(regs[i]);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, xstate, vector.iov_len);
	dump_record(d, thread->id, &kind_registers, body.data, body.size);
	return 0;
}

/* The flags of RFLAGS that a program may set by itself: CF PF AF ZF SF TF DF OF NT RF AC ID, and
 * the always-one bit and IF, which are always set in user mode. */
static const uint64_t user_rflags = 0x254fd7 | 0x202;

static uint64_t reg(const struct registers_rec *rec, size_t offset)
{
	return le64_get(rec->regs[offset / 8]);
}
#define REG(rec, name) reg(rec, offsetof(struct user_regs_struct, name))

static int check_registers(const struct registers_rec *rec, struct err *err)
{
	bool is_32 = REG(rec, cs) == REMOTE_CODE_32;

	if ((REG(rec, cs) != REMOTE_CODE_64 && !is_32) || REG(rec, ss) != REMOTE_DATA)
		return err_set(err, ERR_DAMAGED, "registers: code segment of no program");
	if (!compat_is_selector(REG(rec, ds)) || !compat_is_selector(REG(rec, es)) ||
	    !compat_is_selector(REG(rec, fs)) || !compat_is_selector(REG(rec, gs)))
		return err_set(err, ERR_DAMAGED, "registers: segments");
	if (is_32 && (REG(rec, rip) > UINT32_MAX || REG(rec, rsp) > UINT32_MAX))
		return err_set(err, ERR_DAMAGED, "registers: an address of more than 32 bits");
	if (REG(rec, eflags) & ~user_rflags)
		return err_set(err, ERR_DAMAGED, "registers: flags of the kernel");
	if (REG(rec, rip) >= MM_ADDRESS_MAX || REG(rec, fs_base) >= MM_ADDRESS_MAX ||
	    REG(rec, gs_base) >= MM_ADDRESS_MAX)
		return err_set(err, ERR_DAMAGED, "registers: address of the kernel");
	return 0;
}

/* Intel SDM volume 1, 13.4: the header behind the legacy area; reserved bytes are zero, no
 * compacted form. The kernel checks the rest of it against this processor. */
static int check_xstate(const unsigned char *xstate, size_t size, struct err *err)
{
	static const unsigned char zeros[48];
	uint64_t features;

	if (size < XSTATE_MIN || size > XSTATE_MAX || size % 8 != 0)
		return err_set(err, ERR_DAMAGED, "registers: %zu bytes of extended state", size);
	memcpy(&features, xstate + 512, sizeof(features));
	if (memcmp(xstate + 520, zeros, 48) != 0 || features >> 63)
		return err_set(err, ERR_DAMAGED, "registers: header of extended state");
	return 0;
}

static int registers_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct registers_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t size = rec ? le32_get(rec->xstate_size) : 0;
	const void *xstate = rec ? reader_take(&reader, size) : NULL;
	int r;

	if (!xstate || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "registers: %zu bytes", length);
	if (le32_get(rec->tid) == 0 || le32_get(rec->tid) > TASK_PID_MAX)
		return err_set(err, ERR_DAMAGED, "registers: impossible tid");
	r = check_registers(rec, err);
	if (r < 0)
		return r;
	return check_xstate(xstate, size, err);
}

static int registers_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct registers_rec *rec = record->body;
	const struct record *task = image_find(image, TAG_TASK, le32_get(rec->task));
	const struct task_rec *owner = task ? task->body : NULL;

	if (!owner || task >= record || le32_get(owner->flags) & TASK_ZOMBIE)
		return err_set(err, ERR_DAMAGED, "registers: task %u is not in front of it",
			       le32_get(rec->task));
	if ((le32_get(rec->number) == 0) != (le32_get(rec->tid) == le32_get(owner->pid)))
		return err_set(err, ERR_DAMAGED, "registers: tid of the main thread");
	if ((REG(rec, cs) == REMOTE_CODE_32) != compat_is_32(image, task->id))
		return err_set(err, ERR_DAMAGED, "registers: code of another program");
	return owner_link_parts(image, record, SCOPE_THREAD, err);
}

static int registers_ask(struct plan *plan, const struct image *image, const struct record *record,
			 struct err *err)
{
	const struct registers_rec *rec = record->body;
	const struct record *task = image_find(image, TAG_TASK, le32_get(rec->task));
	const struct task_rec *owner = task->body;

	(void)err;
	plan_name_task(plan, record->id, task->id, (pid_t)le32_get(rec->tid),
		       (const char *)owner->comm);
	return 0;
}

const struct kind kind_registers = {
	.name = "registers",
	.summary = "threads: general registers, FPU and vector state, signal mask",
	.tag = TAG_REGISTERS,
	.scope = SCOPE_THREAD,
	.phase = PHASE_TASKS,
	.dump = registers_dump,
	.check = registers_check,
	.link = registers_link,
	.ask = registers_ask,
};
