/* Joining a container. See join.h. */
#include "container/join.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/parts.h"
#include "container/sync.h"
#include "core/buf.h"
#include "core/cleanup.h"

struct join {
	pid_t init;
	int pidfd;
	int sync;
	int (*main)(void *argument, struct err *err);
	void *argument;
};

static _Noreturn void give_up(const struct join *join, const struct err *err)
{
	sync_send_failure(join->sync, err);
	_exit(1);
}

/* ---- the task ---- */

static _Noreturn void run_main(const struct join *join)
{
	struct err err = ERR_NONE;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)close(join->pidfd);
	container_set_sync_fd(join->sync);
	/* What it says comes after what is said of it. */
	if (sync_expect(join->sync, SYNC_GO, NULL, &err) < 0)
		_exit(1);
	(void)join->main(join->argument, &err);
	give_up(join, &err);
}

int join_ready(struct err *err)
{
	return sync_send(container_sync_fd(), SYNC_READY, getpid(), err);
}

/* ---- between ---- */

/* In the container others may have all capabilities over its namespaces, and look at us. What the
 * host's is stays outside: descriptors, the environment, and what else lies in our memory. */
static int leave_host(const struct join *join, struct err *err)
{
	unsigned int low = (unsigned int)(join->sync < join->pidfd ? join->sync : join->pidfd);
	unsigned int high = (unsigned int)(join->sync < join->pidfd ? join->pidfd : join->sync);

	for (char **variable = environ; variable && *variable; variable++)
		explicit_bzero(*variable, strlen(*variable));
	(void)clearenv();
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_set(err, -errno, "hide from the container");
	if ((low > 3 && close_range(3, low - 1, 0) < 0) ||
	    (high > low + 1 && close_range(low + 1, high - 1, 0) < 0) ||
	    close_range(high + 1, ~0u, 0) < 0)
		return err_set(err, -errno, "close descriptors of the host");
	return 0;
}

static int take_stdio(const struct join *join, struct err *err)
{
	for (int n = 0; n < 3; n++) {
		auto_close int fd = pidfd_getfd(join->pidfd, n, 0);

		/* One that is closed there is closed here. */
		if (fd < 0 && errno == EBADF)
			(void)close(n);
		else if (fd < 0 || dup2(fd, n) < 0)
			return err_set(err, -errno, "take descriptor %d of the first task", n);
	}
	return 0;
}

static bool is_another(const struct join *join, const char *name)
{
	auto_free char *path = mem_printf("/proc/%d/ns/%s", join->init, name);
	auto_free char *own = mem_printf("/proc/self/ns/%s", name);
	struct stat there;
	struct stat here;

	return stat(path, &there) == 0 && stat(own, &here) == 0 && there.st_ino != here.st_ino;
}

static int enter_user_namespace(const struct join *join, struct err *err)
{
	if (is_another(join, "user") && setns(join->pidfd, CLONE_NEWUSER) < 0)
		return err_set(err, -errno, "enter the container's user namespace");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(err, -errno, "become the container's root");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

static int enter_namespaces(const struct join *join, struct err *err)
{
	static const struct {
		const char *name;
		int flag;
	} rows[] = {
		{ "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET },	{ "ipc", CLONE_NEWIPC },
		{ "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP }, { "mnt", CLONE_NEWNS },
	};
	int flags = 0;

	if (!is_another(join, "pid") || !is_another(join, "mnt"))
		return err_set(err, ERR_REFUSED,
			       "the container has no pid and mount namespace of its own");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		flags |= is_another(join, rows[i].name) ? rows[i].flag : 0;
	if (setns(join->pidfd, flags) < 0)
		return err_set(err, -errno, "enter the container's namespaces");
	return 0;
}

static _Noreturn void join_main(const struct join *join)
{
	struct clone_args args = { .flags = CLONE_PARENT };
	struct err err = ERR_NONE;
	int r = take_stdio(join, &err);
	pid_t pid;

	if (r == 0)
		r = leave_host(join, &err);
	if (r == 0)
		r = enter_user_namespace(join, &err);
	if (r == 0)
		r = enter_namespaces(join, &err);
	if (r < 0)
		give_up(join, &err);
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_main(join);
	if (pid < 0) {
		(void)err_set(&err, -errno, "create a task in the container");
		give_up(join, &err);
	}
	_exit(sync_send(join->sync, SYNC_BORN, pid, &err) < 0 ? 1 : 0);
}

/* ---- the caller ---- */

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

void join_end(struct container *task)
{
	if (task->init <= 0)
		return;
	(void)kill(task->init, SIGKILL);
	reap(task->init);
	task->init = 0;
}

int container_join(pid_t init, int init_pidfd, int (*main)(void *argument, struct err *err),
		   void *argument, struct container *ret_task, struct err *err)
{
	struct join join = {
		.init = init, .pidfd = init_pidfd, .main = main, .argument = argument
	};
	struct container task = CONTAINER_NONE;
	pid_t pid;
	int ends[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket");
	task.sync = ends[0];
	join.sync = ends[1];
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		/* Not where the first task's descriptors go. */
		join.sync = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
		join.pidfd = fcntl(init_pidfd, F_DUPFD_CLOEXEC, 3);
		join_main(&join);
	}
	(void)close(ends[1]);
	if (pid < 0)
		r = err_set(err, -errno, "fork");
	else
		r = sync_expect(task.sync, SYNC_BORN, &task.init, err);
	if (pid > 0 && r < 0)
		(void)kill(pid, SIGKILL);
	if (pid > 0)
		reap(pid);
	if (r == 0)
		r = container_go(&task, err);
	if (r < 0) {
		join_end(&task);
		container_free(&task);
		return err_wrap(err, "join the container");
	}
	*ret_task = task;
	return 0;
}

int join_expect(struct container *task, pid_t *ret_pid, struct err *err)
{
	int r = sync_expect(task->sync, SYNC_READY, ret_pid, err);

	return r < 0 ? r : container_wait_exec(task, err);
}
