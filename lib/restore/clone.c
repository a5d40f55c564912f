/* New tasks, made by calls inside of others, clone3(2) with set_tid. */
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

int restore_clone(struct remote *parent, uint64_t flags, int exit_signal, pid_t vpid,
		  struct remote *ret_child, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct clone_args args = { .flags = flags, .exit_signal = (uint64_t)exit_signal };
	pid_t tid;
	int r;

	script_init(&script, parent);
	if (vpid) {
		args.set_tid = script_copy(&script, &vpid, sizeof(vpid));
		args.set_tid_size = 1;
	}
	(void)script_syscall(&script, "clone", 0, SYS_clone3,
			     script_copy(&script, &args, sizeof(args)), sizeof(args));
	r = script_start(&script, err);
	if (r == 0)
		r = script_wait_clone(&script, &tid, err);
	if (r < 0)
		return err_wrap(err, "make task %d", vpid);
	*ret_child = *parent;
	ret_child->tid = tid;
	return 0;
}
