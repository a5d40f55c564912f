/* What code the tasks run: what no call of ours could be made in, or would be lost, is named before
 * anything is done to them. */
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/compat.h"

#ifndef NT_386_IOPERM
#define NT_386_IOPERM 0x201
#endif

enum { LOCAL_TABLE = 4 }; /* bit of a selector */

static int refuse_code(struct dump *d, const struct dump_thread *thread, const char *what)
{
	d->own->is_untouchable = true;
	return dump_block(d, NULL, "thread %d: %s not supported", thread->vtid, what);
}

/* The kernel gives each program a vdso of its own sort. */
static enum program_type program_type(const struct dump_task *task)
{
	const struct remote *remote = &task->threads[0].remote;
	uint64_t start;
	uint64_t end;
	Elf32_Ehdr head;
	struct err ignored = ERR_NONE;

	if (!procfs_find_vdso(remote->tid, &start, &end) ||
	    remote_read(remote, start, &head, sizeof(head), &ignored) < 0)
		return PROGRAM_UNKNOWN;
	return program_type_of(&head);
}

enum program_type program_type_of(const Elf32_Ehdr *head)
{
	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
		return PROGRAM_UNKNOWN;
	if (head->e_ident[EI_CLASS] == ELFCLASS64)
		return PROGRAM_64;
	return head->e_machine == EM_X86_64 ? PROGRAM_X32 : PROGRAM_32;
}

static bool has_shadow_stack(const struct dump_task *task, const struct dump_thread *thread)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored = ERR_NONE;
	char path[64];
	const char *line;
	const char *end;

	(void)snprintf(path, sizeof(path), "task/%d/status", thread->tid);
	if (procfs_read(task->proc, path, &text, &ignored) < 0)
		return false;
	line = strstr(text.data, "\nx86_Thread_features:"); /* 6.6 */
	if (!line)
		return false;
	end = strchrnul(line + 1, '\n');
	return memmem(line, (size_t)(end - line), "shstk", 5) != NULL;
}

/* Ports that it may use, by ioperm(2): only the kernel's own administrator gives them. */
static bool has_ports(pid_t tid)
{
	unsigned char first[8];
	struct iovec vector = { first, sizeof(first) };

	return ptrace(PTRACE_GETREGSET, tid, NT_386_IOPERM, &vector) == 0;
}

static bool is_local(uint64_t selector)
{
	return selector & LOCAL_TABLE;
}

static const char *unsupported_segment(const struct user_regs_struct *regs, enum program_type type)
{
	if (is_local(regs->cs) || is_local(regs->ss) || is_local(regs->ds) || is_local(regs->es) ||
	    is_local(regs->fs) || is_local(regs->gs))
		return "a segment of its local descriptor table is";
	if (regs->cs == REMOTE_CODE_32 && type == PROGRAM_UNKNOWN)
		return "code of 32 bits without a vdso is";
	if (regs->cs == REMOTE_CODE_32 && type != PROGRAM_32)
		return "code of 32 bits in a program of 64 bits is";
	if (regs->cs == REMOTE_CODE_64 && type == PROGRAM_32)
		return "code of 64 bits in a program of 32 bits is";
	if ((regs->cs != REMOTE_CODE_32 && regs->cs != REMOTE_CODE_64) || regs->ss != REMOTE_DATA)
		return "its code segment is";
	if (!compat_is_selector(regs->ds) || !compat_is_selector(regs->es) ||
	    !compat_is_selector(regs->fs) || !compat_is_selector(regs->gs))
		return "one of its data segments is";
	return NULL;
}

static int check_thread(struct dump *d, const struct dump_thread *thread, enum program_type type,
			struct err *err)
{
	struct user_regs_struct regs;
	const char *reason;

	if (ptrace(PTRACE_GETREGS, thread->tid, 0, &regs) < 0)
		return err_set(err, -errno, "read registers of task %d", thread->tid);
	reason = unsupported_segment(&regs, type);
	if (!reason && has_shadow_stack(d->task, thread))
		reason = "a shadow stack is";
	if (!reason && has_ports(thread->tid))
		reason = "access to ports is";
	return reason ? refuse_code(d, thread, reason) : 0;
}

int dump_check_program(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	enum program_type type = program_type(task);
	int r = 0;

	if (type == PROGRAM_X32) {
		d->own->is_untouchable = true;
		return dump_block(d, NULL, "programs of the x32 ABI are not supported");
	}
	for (size_t i = 0; r == 0 && i < task->thread_count; i++)
		r = check_thread(d, &task->threads[i], type, err);
	return r;
}
