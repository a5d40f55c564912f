/* The user namespace: who may have one, and its id maps.
 *
 * The kernel decides who may write which map; we try, and fall back on newuidmap(1) and
 * newgidmap(1), which know /etc/subuid and /etc/subgid. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"

static bool sysctl_is(const char *path, const char *value)
{
	char text[32] = "";
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, value) == 0;
}

int userns_explain(int code, struct err *err)
{
	(void)err_set(err, ERR_HOST, "create a user namespace: %s", strerror(-code));
	if (sysctl_is("/proc/sys/user/max_user_namespaces", "0") || code == -ENOSPC)
		return err_hint(err, "raise sysctl user.max_user_namespaces");
	if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return err_hint(err, "set sysctl kernel.unprivileged_userns_clone to 1");
	if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		return err_hint(err, "set sysctl kernel.apparmor_restrict_unprivileged_userns to "
				     "0, or give ctckpt an AppArmor profile with `userns,`");
	if (code == -EPERM)
		return err_hint(err, "a chroot, a seccomp filter or a security module forbids it: "
				     "run outside of it");
	if (code == -EINVAL)
		return err_hint(err, "this kernel has no user namespaces (CONFIG_USER_NS)");
	return err->code;
}

bool userns_maps_id(const struct id_map *map, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i].inside && id - map[i].inside < map[i].count)
			return true;
	return false;
}

static bool maps_outside(const struct id_map *map, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (id >= map[i].outside && id - map[i].outside < map[i].count)
			return true;
	return false;
}

const char *userns_helper(const char *name)
{
	static const char *const paths[] = {
		"/usr/bin/newuidmap", "/bin/newuidmap", "/usr/sbin/newuidmap",
		"/usr/bin/newgidmap", "/bin/newgidmap", "/usr/sbin/newgidmap",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strcmp(strrchr(paths[i], '/') + 1, name) == 0 && access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Everything that the helper says, which is a line; the end of file is its end. */
static int read_all(int fd, struct buf *text)
{
	char piece[512];
	ssize_t got;

	do {
		got = read(fd, piece, sizeof(piece));
		if (got > 0 && text->size < 4096)
			(void)buf_append(text, piece, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	while (text->size > 0 && text->data[text->size - 1] == '\n')
		text->data[--text->size] = '\0';
	return got < 0 ? -errno : 0;
}

static _Noreturn void exec_helper(const char *path, char *const *argv, int output)
{
	char *const environment[] = { (char *)"LC_ALL=C", NULL };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(output, STDERR_FILENO) >= 0)
		(void)execve(path, argv, environment);
	_exit(127);
}

static int run_helper(const char *path, char *const *argv, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int output = -1;
	int ends[2];
	int status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	output = ends[0];
	pid = fork();
	if (pid == 0)
		exec_helper(path, argv, ends[1]);
	(void)close(ends[1]);
	if (pid < 0)
		return err_set(err, -errno, "start %s", path);
	(void)read_all(output, &text);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	(void)err_set(err, ERR_FAILED, "%s: %s", path, text.size ? text.data : "failed");
	return err_hint(err, "see /etc/subuid and /etc/subgid: the ranges that an administrator "
			     "gave you must have these ids");
}

static int map_by_helper(const char *name, pid_t pid, const struct id_map *map, size_t count,
			 struct err *err)
{
	const char *path = userns_helper(name);
	auto_free char *words = NULL;
	auto_free char **argv = NULL;
	size_t width = sizeof("4294967295");
	size_t n = 2;
	int r;

	if (!path) {
		(void)err_set(err, ERR_HOST, "map more than your own id: %s is not installed",
			      name);
		return err_hint(err, "install uidmap (Debian) or shadow-utils, and get ranges in "
				     "/etc/subuid and /etc/subgid");
	}
	argv = mem_alloc(3 + 3 * count, sizeof(*argv));
	words = mem_alloc(1 + 3 * count, width);
	argv[0] = (char *)name;
	argv[1] = words;
	(void)snprintf(words, width, "%d", pid);
	for (size_t i = 0; i < count; i++) {
		const uint32_t numbers[] = { map[i].inside, map[i].outside, map[i].count };

		for (int k = 0; k < 3; k++, n++) {
			argv[n] = words + (n - 1) * width;
			(void)snprintf(argv[n], width, "%u", numbers[k]);
		}
	}
	r = run_helper(path, argv, err);
	if (r < 0)
		return err_wrap(err, "write the id map");
	return 0;
}

static int write_file(int dir, const char *name, const char *text, size_t size)
{
	auto_close int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, size) < 0 ? -errno : 0;
}

static int write_map(int dir, const char *name, const struct id_map *map, size_t count)
{
	auto_buf struct buf text = BUF_EMPTY;

	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%u %u %u\n", map[i].inside, map[i].outside, map[i].count);
	return write_file(dir, name, text.data, text.size);
}

static bool is_single(const struct id_map *map, size_t count, uint32_t own)
{
	return count == 1 && map[0].count == 1 && map[0].outside == own;
}

static int map_uids(int dir, pid_t pid, const struct container_spec *spec, struct err *err)
{
	int r = write_map(dir, "uid_map", spec->uid_map, spec->uid_map_count);

	if (r == -EPERM && !is_single(spec->uid_map, spec->uid_map_count, geteuid()))
		return map_by_helper("newuidmap", pid, spec->uid_map, spec->uid_map_count, err);
	if (r < 0)
		return err_set(err, r, "write the uid map");
	return 0;
}

static int map_gids(int dir, pid_t pid, const struct container_spec *spec, struct err *err)
{
	int r = write_map(dir, "gid_map", spec->gid_map, spec->gid_map_count);

	if (r == -EPERM && is_single(spec->gid_map, spec->gid_map_count, getegid())) {
		/* Without a privilege, one's own group can be had for giving up setgroups(2). */
		r = write_file(dir, "setgroups", "deny", 4);
		if (r == 0)
			r = write_map(dir, "gid_map", spec->gid_map, spec->gid_map_count);
	} else if (r == -EPERM) {
		return map_by_helper("newgidmap", pid, spec->gid_map, spec->gid_map_count, err);
	}
	if (r < 0)
		return err_set(err, r, "write the gid map");
	return 0;
}

int userns_write_maps(pid_t pid, const struct container_spec *spec, struct err *err)
{
	char path[32];
	auto_close int dir = -1;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open %s", path);
	r = map_uids(dir, pid, spec, err);
	if (r == 0)
		r = map_gids(dir, pid, spec, err);
	return r;
}

/* 0 where it is mapped, else the one we have, else the first of the map. Moving between ids of
 * which neither is 0 inside leaves the capabilities alone. */
static uint32_t id_to_take(const struct id_map *map, size_t count, uint32_t outside,
			   uint32_t inside)
{
	if (count == 0 || userns_maps_id(map, count, 0))
		return 0;
	return maps_outside(map, count, outside) ? inside : map[0].inside;
}

int userns_enter_ids(const struct stage *stage, struct err *err)
{
	const struct container_spec *spec = stage->spec;
	gid_t gid = id_to_take(spec->gid_map, spec->gid_map_count, stage->gid, getegid());
	uid_t uid = id_to_take(spec->uid_map, spec->uid_map_count, stage->uid, geteuid());

	if (setresgid(gid, gid, gid) < 0)
		return err_set(err, -errno, "become group %u of the container", gid);
	if (setresuid(uid, uid, uid) < 0)
		return err_set(err, -errno, "become user %u of the container", uid);
	/* A change of ids hides /proc/PID from the caller, and our own from us. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_set(err, -errno, "stay readable");
	return 0;
}
