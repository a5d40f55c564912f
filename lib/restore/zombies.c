/* The dead: processes that were made like all others end as the saved ones did. */
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

static void die_by_signal(struct script *script, const struct restore_task *task, uint32_t signal)
{
	static const struct {
		uint64_t soft, hard;
	} no_core;
	struct restore_pids pids = restore_pids_of(task, NSPROXY_THREADS, task->vpid);

	(void)script_syscall(script, "limit cores", 0, SYS_prlimit64, 0, 4 /* RLIMIT_CORE */,
			     script_copy(script, &no_core, sizeof(no_core)), 0);
	(void)script_syscall(script, "die by a signal", 0, SYS_kill,
			     (uint64_t)pids.pids[pids.count - 1], signal);
}

/* Its exit code, by the same road: exit(2) or a signal. No core is dumped a second time. */
static int die(struct restore_task *task, struct err *err)
{
	uint32_t code = le32_get(task->rec->exit_code);
	uint64_t open_mask = 0;
	auto_script struct script script = SCRIPT_NONE;
	int status;
	int r;

	script_init(&script, &task->threads[0].remote);
	(void)script_syscall(&script, "set name", 0, SYS_prctl, PR_SET_NAME,
			     script_copy(&script, task->rec->comm, sizeof(task->rec->comm)));
	if ((code & 0x7f) == 0)
		(void)script_syscall(&script, "exit", 0, SYS_exit_group, code >> 8);
	else
		die_by_signal(&script, task, code & 0x7f);
	if (ptrace(PTRACE_SETSIGMASK, task->pid, sizeof(open_mask), &open_mask) < 0)
		return err_set(err, -errno, "unblock signals");
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
