/* What probes have in common. See probe.h. */
#include "container/probe.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"

static int write_self(const char *path, const char *text, size_t size, struct err *err)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, size) < 0)
		return err_set(err, -errno, "write %s", path);
	return 0;
}

int probe_enter(int flags, struct err *err)
{
	auto_buf struct buf uid = BUF_EMPTY;
	auto_buf struct buf gid = BUF_EMPTY;
	int r;

	buf_printf(&uid, "0 %u 1", geteuid());
	buf_printf(&gid, "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return userns_explain(-errno, err);
	r = write_self("/proc/self/setgroups", "deny", 4, err);
	if (r == 0)
		r = write_self("/proc/self/uid_map", uid.data, uid.size, err);
	if (r == 0)
		r = write_self("/proc/self/gid_map", gid.data, gid.size, err);
	if (r == 0 && flags && unshare(flags) < 0)
		r = err_set(err, -errno, "unshare");
	return r;
}

pid_t probe_fork(struct err *err)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_set(err, -errno, "fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* In a new pid namespace, the parent is out of sight: 0. */
		if (getppid() != parent && getppid() != 0)
			_exit(1);
	}
	return pid;
}

static _Noreturn void victim_main(int ready)
{
	struct err err = ERR_NONE;

	if (probe_enter(0, &err) < 0 || write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

int probe_victim(pid_t *ret_pid, struct err *err)
{
	auto_close int ready = -1;
	auto_close int ready_end = -1;
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	ready = ends[0];
	ready_end = ends[1];
	pid = probe_fork(err);
	if (pid < 0)
		return pid;
	if (pid == 0)
		victim_main(ready_end);
	drop_fd(&ready_end);
	if (read(ready, &byte, 1) != 1)
		return err_set(err, ERR_FAILED, "needs user namespaces");
	*ret_pid = pid;
	return 0;
}

int probe_seize(pid_t *ret_pid, struct err *err)
{
	pid_t pid = 0;
	int r;

	r = probe_victim(&pid, err);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return err_set(err, -errno, "seize a child");
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 || waitpid(pid, NULL, __WALL) != pid)
		return err_set(err, -errno, "stop a child");
	*ret_pid = pid;
	return 0;
}
