/* The dead: processes that were made like all others end as the saved ones did. */
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

/* Its exit code, by the same road: exit(2) or a signal. No core is dumped a second time. */
static int die(struct restore_task *task, struct err *err)
{
	static const struct {
		uint64_t soft, hard;
	} no_core;
	uint32_t code = le32_get(task->rec->exit_code);
	uint64_t open_mask = 0;
	struct restore_pids pids = restore_pids_of(task, NSPROXY_THREADS, task->vpid);
	auto_script struct script script = SCRIPT_NONE;
	int status;
	int r;

	if ((code & 0x7f) == 0)
		return restore_end_task(&task->threads[0].remote, (int)(code >> 8), err);
	if (ptrace(PTRACE_SETSIGMASK, task->pid, sizeof(open_mask), &open_mask) < 0)
		return err_set(err, -errno, "unblock signals");
	script_init(&script, &task->threads[0].remote);
	(void)script_syscall(&script, "limit cores", 0, SYS_prlimit64, 0, 4 /* RLIMIT_CORE */,
			     script_copy(&script, &no_core, sizeof(no_core)), 0);
	(void)script_syscall(&script, "die by a signal", 0, SYS_kill,
			     (uint64_t)pids.pids[pids.count - 1], code & 0x7f);
	r = script_start(&script, err);
	return r < 0 ? r : script_wait_death(&script, &status, err);
}

int restore_make_zombies(struct restore *rs, struct err *err)
{
	for (size_t i = 1; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r;

		if (!(le32_get(task->rec->flags) & TASK_ZOMBIE))
			continue;
		r = die(task, err);
		if (r < 0)
			return err_wrap(err, "task %d", task->vpid);
		(task->parent ? task->parent : &rs->own->tasks[0])->has_new_child = true;
	}
	return 0;
}
