/* Tasks enter their namespaces, by calls made inside of them. All but the pid namespace, where they
 * were born (birth.c): the user namespace last, since it takes what the others need. A task with
 * threads may not enter some: this comes before they are made. */
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

static void enter_others(const struct restore *rs, struct restore_place *place,
			 const struct restore_task *task, struct script *script)
{
	static const enum namespace_type order[] = { NAMESPACE_CGROUP, NAMESPACE_IPC,
						     NAMESPACE_UTS,    NAMESPACE_NET,
						     NAMESPACE_TIME,   NAMESPACE_MNT };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		uint32_t id = task->ns ? le32_get(task->ns->ids[order[i]]) : 0;

		if (id == place->ids[order[i]])
			continue;
		(void)script_syscall(script, "enter a namespace", 0, SYS_setns,
				     (uint64_t)restore_namespace_fd(rs, order[i], id),
				     (uint64_t)namespace_flag(order[i]));
		place->ids[order[i]] = id;
	}
}

/* `remote` is, or is to become, the task; `userns` where it ends. */
int restore_enter(struct restore *rs, struct remote *remote, struct restore_place *place,
		  const struct restore_task *task, uint32_t userns, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	int r = 0;

	script_init(&script, remote);
	if (userns != place->ids[NAMESPACE_USER] && task->thread_count > 0)
		r = creds_take_ids(rs, task->threads[0].record->id, place->ids[NAMESPACE_USER],
				   &script, err);
	if (r < 0)
		return r;
	enter_others(rs, place, task, &script);
	if (userns != place->ids[NAMESPACE_USER]) {
		(void)script_syscall(&script, "enter a user namespace", 0, SYS_setns,
				     (uint64_t)restore_fd(rs, userns), CLONE_NEWUSER);
		(void)script_syscall(&script, "stay dumpable", 0, SYS_prctl, PR_SET_DUMPABLE, 1);
		place->ids[NAMESPACE_USER] = userns;
	}
	return script_run(&script, err);
}

static int enter_task(struct restore *rs, struct restore_task *task, struct err *err)
{
	uint32_t pid_ns = task->now.ids[NAMESPACE_PID];
	uint32_t children = le32_get(task->ns->pid_for_children);
	int r = 0;

	if (children != pid_ns)
		r = restore_enter_pid_namespace(rs, &task->threads[0].remote, pid_ns, children,
						err);
	if (r == 0)
		r = restore_enter(rs, &task->threads[0].remote, &task->now, task,
				  le32_get(task->ns->ids[NAMESPACE_USER]), err);
	return r;
}

static int make_threads(struct restore *rs, struct restore_task *task, struct err *err)
{
	static const uint64_t flags =
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	for (size_t i = 1; i < task->thread_count; i++) {
		struct restore_thread *thread = &task->threads[i];
		struct restore_pids pids = restore_pids_of(task, NSPROXY_THREADS + i, thread->vtid);
		int r = restore_clone(rs, &task->threads[0].remote, &task->now, flags, 0, &pids,
				      &thread->remote, err);

		if (r < 0)
			return r;
		thread->tid = thread->remote.tid;
	}
	return 0;
}

/* The first task of a pid namespace gives pids to the others, and comes last: it needs the
 * capabilities over it. */
static bool is_first(const struct restore *rs, const struct restore_task *task)
{
	return restore_init_of(rs, task->now.ids[NAMESPACE_PID]) == task;
}

/* New tasks get pids above the saved ones, as in the container's own (stage.c). */
static int set_last_pid(struct restore *rs, const struct restore_task *init, struct err *err)
{
	uint32_t pid_ns = init->now.ids[NAMESPACE_PID];
	size_t level = namespace_level(rs->image, pid_ns);
	uint32_t last = 1;

	if (level == 0 || rs->own->shared->last_pid < 0)
		return 0;
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct nsproxy_rec *ns = rs->own->tasks[i].ns;

		if (!ns || !namespace_is_below(rs->image, le32_get(ns->ids[NAMESPACE_PID]), pid_ns))
			continue;
		for (size_t j = 0; j < NSPROXY_THREADS + (size_t)le32_get(ns->thread_count); j++) {
			uint32_t pid = nsproxy_pid(ns, j, level);

			last = pid > last ? pid : last;
		}
	}
	return restore_announce_pid(rs, pid_ns, (pid_t)last + 1, err);
}

int restore_enter_namespaces(struct restore *rs, struct err *err)
{
	for (int firsts = 0; firsts < 2; firsts++) {
		for (size_t i = rs->own->task_count; i-- > 0;) {
			struct restore_task *task = &rs->own->tasks[i];
			int r = 0;

			if (!task->record || task->thread_count == 0 ||
			    is_first(rs, task) != (bool)firsts)
				continue;
			if (firsts)
				r = set_last_pid(rs, task, err);
			if (r == 0 && task->ns)
				r = enter_task(rs, task, err);
			if (r == 0)
				r = make_threads(rs, task, err);
			if (r < 0)
				return err_wrap(err, "task %d", task->vpid);
		}
	}
	return 0;
}
