/* Probes: namespaces, and what a container is made of. */
#include <fcntl.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/container.h"
#include "container/parts.h"
#include "container/probe.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"

static int run_user(struct probe_result *result)
{
	return probe_enter(0, &result->err);
}

static int run_mount(struct probe_result *result)
{
	return probe_enter(CLONE_NEWNS, &result->err);
}

static int run_pid(struct probe_result *result)
{
	return probe_enter(CLONE_NEWPID, &result->err);
}

static int run_net(struct probe_result *result)
{
	int r = probe_enter(CLONE_NEWNET, &result->err);

	return r < 0 ? r : net_loopback_up(&result->err);
}

static int run_ipc(struct probe_result *result)
{
	return probe_enter(CLONE_NEWIPC, &result->err);
}

static int run_uts(struct probe_result *result)
{
	return probe_enter(CLONE_NEWUTS, &result->err);
}

static int run_cgroup(struct probe_result *result)
{
	return probe_enter(CLONE_NEWCGROUP, &result->err);
}

static int run_time(struct probe_result *result)
{
	int r = probe_enter(CLONE_NEWTIME, &result->err);

	return r < 0 ? r : timens_set_offsets(1000000000, -1000000000, &result->err);
}

/* The exit status of a child that says what went wrong by an errno. */
static int await_errno(pid_t pid, const char *what, struct err *err)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		return err_set(err, -errno, "wait");
	if (!WIFEXITED(status))
		return err_set(err, ERR_FAILED, "%s: killed by signal %d", what, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, -WEXITSTATUS(status), "%s", what);
	return 0;
}

static int mount_proc(void)
{
	auto_close int context = fsopen("proc", FSOPEN_CLOEXEC);
	auto_close int mount = -1;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return errno;
	mount = fsmount(context, FSMOUNT_CLOEXEC,
			MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount < 0 ? errno : 0;
}

static int run_proc(struct probe_result *result)
{
	pid_t pid;
	int r;

	r = probe_enter(CLONE_NEWNS | CLONE_NEWPID, &result->err);
	if (r < 0)
		return r;
	pid = probe_fork(&result->err);
	if (pid == 0)
		_exit(mount_proc());
	return pid < 0 ? pid : await_errno(pid, "mount a new /proc", &result->err);
}

static pid_t clone_as(pid_t wanted)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&wanted,
		.set_tid_size = 1,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static _Noreturn void clone_first(void)
{
	int status = 0;
	pid_t pid = clone_as(42);

	if (pid == 0)
		_exit(syscall(SYS_getpid) == 42 ? 0 : EPROTO);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		_exit(errno);
	_exit(WEXITSTATUS(status));
}

static int run_set_tid(struct probe_result *result)
{
	pid_t pid;
	int r;

	r = probe_enter(CLONE_NEWPID, &result->err);
	if (r < 0)
		return r;
	pid = probe_fork(&result->err);
	if (pid == 0)
		clone_first();
	return pid < 0 ? pid : await_errno(pid, "clone3 with set_tid", &result->err);
}

static int exit_well(void *argument, struct err *err)
{
	(void)argument;
	(void)err;
	_exit(0);
}

static int try_container(const struct id_map *uid, const struct id_map *gid, size_t count,
			 struct err *err)
{
	const struct container_spec spec = {
		.uid_map = uid,
		.uid_map_count = count,
		.gid_map = gid,
		.gid_map_count = count,
		.cgroup = -1,
		.cgroup_v1 = -1,
		.main = exit_well,
	};
	auto_container struct container container = CONTAINER_NONE;
	int r;

	r = container_start(&spec, &container, err);
	if (r == 0)
		r = container_go(&container, err);
	if (r == 0)
		r = container_wait_exec(&container, err);
	container_kill(&container);
	return r;
}

static int run_container(struct probe_result *result)
{
	const struct id_map uid = { 0, geteuid(), 1 };
	const struct id_map gid = { 0, getegid(), 1 };

	return try_container(&uid, &gid, 1, &result->err);
}

/* "name:first:count" or "uid:first:count", subuid(5). */
static bool scan_range(const char *line, const char *owner, struct id_map *ret_range)
{
	uint64_t first;
	uint64_t count;

	if (!scan_text(&line, owner) || !scan_char(&line, ':') ||
	    !scan_number(&line, 10, UINT32_MAX, &first) || !scan_char(&line, ':') ||
	    !scan_number(&line, 10, UINT32_MAX, &count) || count == 0)
		return false;
	*ret_range = (struct id_map){ .outside = (uint32_t)first, .count = (uint32_t)count };
	return true;
}

static bool find_range(const char *path, struct id_map *ret_range)
{
	struct err err = ERR_NONE;
	const struct passwd *user = getpwuid(geteuid());
	auto_free char *number = mem_printf("%u", geteuid());
	auto_buf struct buf text = BUF_EMPTY;

	if (procfs_read(AT_FDCWD, path, &text, &err) < 0 || !text.data)
		return false;
	for (const char *line = text.data; *line; line += *line == '\n') {
		if (scan_range(line, number, ret_range) ||
		    (user && scan_range(line, user->pw_name, ret_range)))
			return true;
		line += strcspn(line, "\n");
	}
	return false;
}

static int run_id_ranges(struct probe_result *result)
{
	struct id_map uid[2] = { { 0, geteuid(), 1 } };
	struct id_map gid[2] = { { 0, getegid(), 1 } };
	struct err *err = &result->err;

	if (!userns_helper("newuidmap") || !userns_helper("newgidmap"))
		return err_set(err, ERR_FAILED, "newuidmap and newgidmap are not installed");
	if (!find_range("/etc/subuid", &uid[1]) || !find_range("/etc/subgid", &gid[1]))
		return err_set(err, ERR_FAILED, "no range in /etc/subuid and /etc/subgid");
	uid[1].inside = 1;
	gid[1].inside = 1;
	(void)snprintf(result->detail, sizeof(result->detail), "%u user ids, %u group ids",
		       uid[1].count, gid[1].count);
	return try_container(uid, gid, 2, err);
}

const struct probe probes_namespaces[] = {
	{ "user_namespace", true, run_user, NULL },
	{ "mount_namespace", true, run_mount, NULL },
	{ "pid_namespace", true, run_pid, NULL },
	{ "network_namespace", true, run_net, NULL },
	{ "ipc_namespace", true, run_ipc, NULL },
	{ "uts_namespace", true, run_uts, NULL },
	{ "cgroup_namespace", false, run_cgroup, NULL },
	{ "time_namespace", false, run_time,
	  "clocks of restored tasks will jump; Linux 5.6 has it" },
	{ "proc_mount", true, run_proc,
	  "inside of a container, start that with an unmasked /proc" },
	{ "set_tid", true, run_set_tid, "needs Linux 5.5, and 5.9 for an ordinary user" },
	{ "container", true, run_container, NULL },
	{ "id_ranges", false, run_id_ranges,
	  "install uidmap, and add ranges with usermod --add-subuids and --add-subgids" },
	{ .name = NULL },
};
