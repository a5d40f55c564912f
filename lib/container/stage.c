/* The stage: a short-lived child of the caller that makes the namespaces, and in them the first
 * task, as a sibling of its own.
 *
 * Neither execs before all is in place: with an id other than 0, exec drops the capabilities. */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "container/parts.h"
#include "container/sync.h"
#include "core/cleanup.h"

static int sync_fd = -1; /* see container_sync_fd() */

int container_sync_fd(void)
{
	return sync_fd;
}

void container_set_sync_fd(int fd)
{
	sync_fd = fd;
}

static _Noreturn void give_up(const struct stage *stage, const struct err *err)
{
	sync_send_failure(stage->sync, err);
	_exit(1);
}

/* ---- the first task ---- */

static int set_names(const struct container_spec *spec, struct err *err)
{
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set(err, -errno, "set host name %s", spec->hostname);
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set(err, -errno, "set domain name %s", spec->domainname);
	return 0;
}

static int furnish(const struct stage *stage, struct err *err)
{
	const struct container_spec *spec = stage->spec;
	int r;

	if (setsid() < 0)
		return err_set(err, -errno, "start a session");
	r = set_names(spec, err);
	if (r == 0)
		r = net_loopback_up(err);
	if (r < 0)
		return r;
	if (stage->rootfs < 0)
		return mounts_make_view(spec->volumes, err);
	if (spec->make_root)
		return spec->make_root(spec->make_root_argument, err);
	r = mounts_make_root(userns_maps_id(spec->gid_map, spec->gid_map_count, 5), spec->volumes,
			     err);
	if (r < 0)
		return err_wrap(err, "root file system %s", spec->rootfs);
	return 0;
}

static _Noreturn void first_task(const struct stage *stage)
{
	struct err err = ERR_NONE;
	int r;

	/* From outside of this pid namespace the parent cannot be told by getppid(2); if it is dead
	 * already, the socket says so. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = sync_expect(stage->sync, SYNC_GO, NULL, &err);
	if (r < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, 0);
	r = furnish(stage, &err);
	if (r < 0)
		give_up(stage, &err);
	/* The root as it is seen from outside: `..` would lead out of the container. */
	if (stage->rootfs >= 0)
		(void)close(stage->rootfs);
	sync_fd = stage->sync;
	r = stage->spec->main(stage->spec->argument, &err);
	if (r < 0)
		give_up(stage, &err);
	_exit(0);
}

/* ---- the stage ---- */

static int join_cgroup(int dir, struct err *err)
{
	auto_close int fd = -1;

	if (dir < 0)
		return 0;
	fd = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		return err_set(err, -errno, "join the container's cgroup");
	return 0;
}

struct namespace_row {
	int flag;
	const char *name;
	bool is_optional; /* may be unknown to the kernel */
};

static const struct namespace_row namespace_rows[] = {
	{ CLONE_NEWNS, "mount", false }, { CLONE_NEWNET, "network", false },
	{ CLONE_NEWIPC, "IPC", false },	 { CLONE_NEWUTS, "UTS", false },
	{ CLONE_NEWPID, "PID", false },	 { CLONE_NEWCGROUP, "cgroup", true },
	{ CLONE_NEWTIME, "time", true },
};
#define NAMESPACE_COUNT (sizeof(namespace_rows) / sizeof(namespace_rows[0]))

static int explain_namespace(const char *name, int code, struct err *err)
{
	(void)err_set(err, ERR_HOST, "create a %s namespace: %s", name, strerror(-code));
	if (code == -ENOSPC)
		return err_hint(err, "raise the limits in /proc/sys/user/");
	if (code == -EPERM)
		return err_hint(err, "a security module gave the user namespace no capabilities: "
				     "see `ctckpt check`");
	if (code == -EINVAL)
		return err_hint(err, "this kernel was built without it");
	return err->code;
}

/* One by one, to find which of them it was, or to do without. */
static int unshare_each(const struct container_spec *spec, struct err *err)
{
	for (size_t i = 0; i < NAMESPACE_COUNT; i++) {
		const struct namespace_row *row = &namespace_rows[i];
		bool is_needed =
		    !row->is_optional || (row->flag == CLONE_NEWTIME && spec->has_time_offsets);

		if (unshare(row->flag) < 0 && (errno != EINVAL || is_needed))
			return explain_namespace(row->name, -errno, err);
	}
	return 0;
}

static int unshare_all(const struct container_spec *spec, struct err *err)
{
	int flags = 0;
	int r = 0;

	for (size_t i = 0; i < NAMESPACE_COUNT; i++)
		flags |= namespace_rows[i].flag;
	if (unshare(flags) < 0)
		r = unshare_each(spec, err);
	if (r == 0 && spec->has_time_offsets)
		r = timens_set_offsets(spec->monotonic_offset_ns, spec->boottime_offset_ns, err);
	return r;
}

static int make_user_namespace(const struct stage *stage, struct err *err)
{
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return userns_explain(-errno, err);
	r = sync_send(stage->sync, SYNC_UNSHARED, 0, err);
	if (r == 0)
		r = sync_expect(stage->sync, SYNC_MAPPED, NULL, err);
	if (r == 0)
		r = userns_enter_ids(stage, err);
	if (r < 0)
		return r;
	/* A change of ids has cleared it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

static int stage_work(const struct stage *stage, struct err *err)
{
	const struct container_spec *spec = stage->spec;
	int r;

	/* As the invoker: cgroups and the root are his to enter, not the namespace's. The working
	 * directory moves along into the new mount namespace; a descriptor would not. */
	r = join_cgroup(spec->cgroup_v1, err);
	if (r == 0)
		r = join_cgroup(spec->cgroup, err);
	if (r < 0)
		return r;
	if (stage->rootfs >= 0 && fchdir(stage->rootfs) < 0)
		return err_set(err, -errno, "enter %s", spec->rootfs);
	r = make_user_namespace(stage, err);
	if (r == 0)
		r = unshare_all(spec, err);
	return r;
}

/* Raw: glibc has no call for it. No memory is shared, and no thread is left behind: the stage has
 * one only. The signal at its end is that of the stage, SIGCHLD. */
static pid_t clone_sibling(void)
{
	struct clone_args args = { .flags = CLONE_PARENT };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

_Noreturn void stage_main(const struct stage *stage)
{
	struct err err = ERR_NONE;
	pid_t pid;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != stage->caller)
		_exit(1);
	if (stage_work(stage, &err) < 0)
		give_up(stage, &err);
	pid = clone_sibling();
	if (pid == 0)
		first_task(stage);
	if (pid < 0) {
		(void)err_set(&err, -errno, "create the container's first task");
		give_up(stage, &err);
	}
	if (sync_send(stage->sync, SYNC_BORN, pid, &err) < 0)
		_exit(1);
	_exit(0);
}
