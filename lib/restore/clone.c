/* New tasks, made by calls inside of others.
 *
 * A task whose maker has the capabilities of the container's user namespace gets its pids, one for
 * each pid namespace that it is in, by set_tid of clone3(2). In a user namespace below, that
 * may not choose pids above. All tasks are ours, and stand still: there, the first task of each pid
 * namespace says which pid comes next (ns_last_pid of proc(5)). */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

static int run_clone(struct remote *parent, uint64_t flags, int exit_signal,
		     const struct restore_pids *pids, struct remote *ret_child, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct clone_args args = { .flags = flags, .exit_signal = (uint64_t)exit_signal };
	pid_t inner_first[1 + NAMESPACE_LEVELS];
	pid_t tid;
	int r;

	script_init(&script, parent);
	for (size_t i = 0; i < pids->count; i++)
		inner_first[i] = pids->pids[pids->count - 1 - i];
	if (pids->count > 0) {
		args.set_tid =
		    script_copy(&script, inner_first, pids->count * sizeof(inner_first[0]));
		args.set_tid_size = pids->count;
	}
	(void)script_syscall(&script, "clone", 0, SYS_clone3,
			     script_copy(&script, &args, sizeof(args)), sizeof(args));
	r = script_start(&script, err);
	if (r == 0)
		r = script_wait_clone(&script, &tid, err);
	if (r < 0)
		return r;
	*ret_child = *parent;
	ret_child->tid = tid;
	return 0;
}

/* Said by the first task of that pid namespace, which has the capabilities of its owner. */
int restore_announce_pid(struct restore *rs, uint32_t pid_ns, pid_t pid, struct err *err)
{
	struct restore_task *init = restore_init_of(rs, pid_ns);
	auto_script struct script script = SCRIPT_NONE;
	char text[16];
	size_t size = (size_t)snprintf(text, sizeof(text), "%d", pid - 1);

	if (rs->own->shared->last_pid < 0)
		return err_set(err, ERR_HOST,
			       "this kernel has no /proc/sys/kernel/ns_last_pid, by which pids are "
			       "given in a user namespace of the container");
	script_init(&script, &init->threads[0].remote);
	(void)script_syscall(&script, "choose the next pid", 0, SYS_pwrite64,
			     (uint64_t)rs->own->shared->last_pid, script_copy(&script, text, size),
			     size, 0);
	return script_run(&script, err);
}

static int announce_pids(struct restore *rs, uint32_t pid_ns, const struct restore_pids *pids,
			 struct err *err)
{
	/* The namespaces from the task's own upwards. One whose first task this is has none to
	 * say, and no other pid to give. */
	for (size_t level = pids->count; level-- > 0;) {
		const struct namespace_rec *rec = namespace_find(rs->image, pid_ns);
		int r = 0;

		if (level == 0 || pids->pids[level] != 1)
			r = restore_announce_pid(rs, pid_ns, pids->pids[level], err);
		if (r < 0)
			return r;
		pid_ns = rec ? le32_get(rec->parent) : 0;
	}
	return 0;
}

static int check_pids(pid_t tid, const struct restore_pids *pids, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	int r = procfs_status_read(tid, &status, err);

	if (r < 0)
		return r;
	if (status.ns_depth < pids->count || memcmp(&status.ns_pid[status.ns_depth - pids->count],
						    pids->pids, pids->count * sizeof(pid_t)) != 0)
		return err_set(err, ERR_FAILED, "it has another pid");
	return 0;
}

int restore_clone(struct restore *rs, struct remote *parent, const struct restore_place *place,
		  uint64_t flags, int exit_signal, const struct restore_pids *pids,
		  struct remote *ret_child, struct err *err)
{
	static const struct restore_pids none = { .count = 0 };
	bool may_choose = place->ids[NAMESPACE_USER] == 0;
	int r = 0;

	if (!may_choose)
		r = announce_pids(rs, place->ids[NAMESPACE_PID], pids, err);
	if (r == 0)
		r = run_clone(parent, flags, exit_signal, may_choose ? pids : &none, ret_child,
			      err);
	if (r == 0 && !may_choose)
		r = check_pids(ret_child->tid, pids, err);
	return r < 0 ? err_wrap(err, "make task %d", pids->pids[0]) : 0;
}
