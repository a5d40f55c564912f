/* Threads that were stopped in the code that the kernel maps into each process, vdso(7). It reads
 * data that the kernel maps beside it, and what of that is there depends on the time namespace and
 * on the machine: a thread that had begun to read, and goes on where it is not, would get SIGBUS.
 *
 * Not by PTRACE_SINGLESTEP: a thread on its way through a step dies of it when its tracer does. */
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "core/procfs.h"
#include "freeze/deadline.h"
#include "freeze/tasks.h"

#define RUN_US 200

struct vdso {
	pid_t pid;
	uint64_t start, end;
};

/* Programs of 32 bits make their calls there. */
static bool is_at_call(pid_t tid, uint64_t address)
{
	long code = ptrace(PTRACE_PEEKTEXT, tid, address, 0);

	return memcmp(&code, "\xcd\x80", 2) == 0; /* int $0x80 */
}

/* `vdso` is that of the last process that was asked about. */
static bool is_in_vdso(const struct task *task, struct vdso *vdso)
{
	struct user_regs_struct regs;

	/* Most are in a system call. */
	if (ptrace(PTRACE_GETREGS, task->tid, 0, &regs) < 0 || (int64_t)regs.orig_rax >= 0)
		return false;
	if (vdso->pid != task->pid) {
		*vdso = (struct vdso){ .pid = task->pid };
		(void)procfs_find_vdso(task->pid, &vdso->start, &vdso->end);
	}
	return regs.rip >= vdso->start && regs.rip < vdso->end && !is_at_call(task->tid, regs.rip);
}

static bool let_run(const struct task *task)
{
	return ptrace(PTRACE_SETOPTIONS, task->tid, 0, TASKS_OPTIONS) == 0 &&
	       ptrace(PTRACE_CONT, task->tid, 0, 0) == 0;
}

size_t tasks_leave_vdso(struct tasks *tasks)
{
	struct vdso vdso = { .pid = 0 };
	uint64_t end = clock_us() + RUN_US;
	size_t running = 0;

	for (size_t i = 0; i < tasks->count; i++) {
		struct task *task = &tasks->list[i];

		if (task->state == TASK_STOPPED && task->stop_signal == 0 && !task->must_stop &&
		    is_in_vdso(task, &vdso) && let_run(task)) {
			task->state = TASK_RUNNING;
			running++;
		}
	}
	while (running > 0 && clock_us() < end)
		tasks_wait_for_news(end);
	for (size_t i = 0; running > 0 && i < tasks->count; i++) {
		if (tasks->list[i].state == TASK_RUNNING)
			(void)ptrace(PTRACE_INTERRUPT, tasks->list[i].tid, 0, 0);
	}
	return running;
}
