/* Acting as somebody else. See unix_as.h. */
#include "kind/support/unix_as.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { STATUS_NO_IDS = 255 }; /* no errno of a call */

/* Not seen by who traces us: it would wait to be let go. */
static pid_t start_child(pid_t pid)
{
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.set_tid = pid > 0 ? (uint64_t)(uintptr_t)&pid : 0,
		.set_tid_size = pid > 0 ? 1 : 0,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int wait_for(pid_t child, int *ret_status)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!WIFEXITED(status))
		return -ECHILD;
	*ret_status = WEXITSTATUS(status);
	return 0;
}

/* Another effective user id takes the effective capabilities away, not the permitted ones. */
static void keep_effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	(void)syscall(SYS_capset, &header, data);
}

static bool take_ids(uid_t uid, gid_t gid)
{
	if (getegid() != gid && syscall(SYS_setresgid, -1, gid, -1) < 0)
		return false;
	if (geteuid() != uid && syscall(SYS_setresuid, -1, uid, -1) < 0)
		return false;
	keep_effective();
	return true;
}

static int run_child(pid_t pid, const struct unix_credentials *who, int (*act)(void *argument),
		     void *argument, int *ret_status)
{
	pid_t child = start_child(pid);
	int r;

	if (child < 0)
		return -errno;
	if (child == 0) {
		if (who && !take_ids(le32_get(who->uid), le32_get(who->gid)))
			_exit(STATUS_NO_IDS);
		r = act(argument);
		_exit(r < 0 ? -r : 0);
	}
	return wait_for(child, ret_status);
}

int unix_apart(int (*act)(void *argument), void *argument)
{
	int status = 0;
	int r = run_child(0, NULL, act, argument, &status);

	return r < 0 ? r : -status;
}

/* The first task is us: nobody else can have its pid. */
static int run_here(const struct unix_credentials *who, int (*act)(void *argument), void *argument,
		    int *ret_status)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	bool is_done = take_ids(le32_get(who->uid), le32_get(who->gid));
	int r = is_done ? act(argument) : 0;

	*ret_status = is_done ? -r : STATUS_NO_IDS;
	return take_ids(uid, gid) ? 0 : -EPERM;
}

int unix_as(struct restore *rs, const struct unix_credentials *who, int (*act)(void *argument),
	    void *argument)
{
	pid_t pid = (pid_t)le32_get(who->pid);
	int status = 0;
	int r;

	if (!le32_get(who->are_known))
		return act(argument);
	if (pid == 1)
		r = run_here(who, act, argument, &status);
	else
		r = run_child(pid > 1 ? pid : 0, who, act, argument, &status);
	if (r == 0 && status != STATUS_NO_IDS) {
		if (pid <= 0)
			restore_note(rs, "the pid of a peer of a unix socket (SO_PEERCRED) is not "
					 "known any more");
		return -status;
	}
	restore_note(rs, "a peer of a unix socket is not known as process %d, user %u, group %u",
		     pid, le32_get(who->uid), le32_get(who->gid));
	return act(argument);
}
