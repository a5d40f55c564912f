/* Probes: freezers, file systems. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/probe.h"
#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"

#define FREEZE_TIME_MS 500

struct freezer_files {
	const char *control, *freeze, *thaw; /* what to write where */
	const char *state, *frozen;	     /* and what the answer is */
};

static const struct freezer_files freezer_v1 = { "freezer.state", "FROZEN", "THAWED",
						 "freezer.state", "FROZEN" };
static const struct freezer_files freezer_v2 = { "cgroup.freeze", "1", "0", "cgroup.events",
						 "frozen 1" };

static int await_frozen(int dir, const struct freezer_files *files, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;

	for (int waited = 0; waited < FREEZE_TIME_MS; waited++) {
		int r = cgroup_file_read(dir, files->state, &text, err);

		if (r < 0)
			return r;
		if (text.data && strstr(text.data, files->frozen))
			return 0;
		/* v1 tells nobody when it is done. */
		(void)poll(NULL, 0, 1);
	}
	return err_set(err, -ETIMEDOUT, "freeze a child");
}

static int freeze_child(int dir, const struct freezer_files *files, pid_t pid, struct err *err)
{
	auto_free char *number = mem_printf("%d", pid);
	struct err ignored = ERR_NONE;
	int r;

	r = cgroup_file_write(dir, "cgroup.procs", number, err);
	if (r == 0)
		r = cgroup_file_write(dir, files->control, files->freeze, err);
	if (r == 0)
		r = await_frozen(dir, files, err);
	(void)cgroup_file_write(dir, files->control, files->thaw, &ignored);
	return r;
}

static int try_freezer(int dir, const struct freezer_files *files, struct err *err)
{
	pid_t pid;
	int r;

	if (dir < 0)
		return err_set(err, ERR_FAILED, "no cgroup of one's own can be made");
	pid = probe_fork(err);
	if (pid < 0)
		return pid;
	if (pid == 0)
		for (;;)
			(void)pause();
	r = freeze_child(dir, files, pid, err);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return r;
}

/* Both steps end in bounded time, so that the cgroup is always removed. */
static int run_freezer(bool is_v2, struct probe_result *result)
{
	auto_cgroup_own struct cgroup_own own = CGROUP_OWN_NONE;
	auto_free char *name = mem_printf("ctckpt-check-%d", getpid());
	struct err ignored = ERR_NONE;
	int r;

	r = cgroup_own_create(name, &own, &result->err);
	if (r < 0)
		return r;
	if (is_v2)
		r = try_freezer(own.v2, &freezer_v2, &result->err);
	else
		r = try_freezer(own.v1, &freezer_v1, &result->err);
	(void)cgroup_own_remove(&own, &ignored);
	return r;
}

static int run_freezer_v1(struct probe_result *result)
{
	return run_freezer(false, result);
}

static int run_freezer_v2(struct probe_result *result)
{
	return run_freezer(true, result);
}

/* A tmpfs on top of the probe's own root; it is the working directory then. Overlay refuses
 * directories that are mounted nowhere. */
static int enter_tmpfs(struct err *err)
{
	auto_close int context = -1;
	auto_close int mount = -1;
	int r;

	r = probe_enter(CLONE_NEWNS, err);
	if (r < 0)
		return r;
	context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, -errno, "create a tmpfs");
	mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (mount < 0 || move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(mount) < 0)
		return err_set(err, -errno, "mount a tmpfs");
	return 0;
}

static int run_tmpfile(struct probe_result *result)
{
	auto_close int fd = -1;
	int r;

	r = enter_tmpfs(&result->err);
	if (r < 0)
		return r;
	fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(&result->err, -errno, "create an unnamed file");
	return 0;
}

static int run_overlay(struct probe_result *result)
{
	static const char *const options[][2] = { { "lowerdir", "lower" },
						  { "upperdir", "upper" },
						  { "workdir", "work" } };
	auto_close int context = -1;
	int r;

	r = enter_tmpfs(&result->err);
	if (r < 0)
		return r;
	context = fsopen("overlay", FSOPEN_CLOEXEC);
	if (context < 0)
		return err_set(&result->err, -errno, "open overlay");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (mkdir(options[i][1], 0700) < 0 ||
		    fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0) < 0)
			return err_set(&result->err, -errno, "configure overlay");
	if (fsconfig(context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(&result->err, -errno, "create an overlay with userxattr");
	return 0;
}

#define FREEZER_REMEDY "without delegated cgroups, containers are stopped by ptrace"

const struct probe probes_files[] = {
	{ "freezer_v1", false, run_freezer_v1, FREEZER_REMEDY },
	{ "freezer_v2", false, run_freezer_v2, FREEZER_REMEDY },
	{ "tmpfile", false, run_tmpfile, NULL },
	{ "overlay", false, run_overlay, "needs Linux 5.11; load the module overlay" },
	{ .name = NULL },
};
