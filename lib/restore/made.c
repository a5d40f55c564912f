/* What a restore that fails must not leave: files that it has made under names of the container's,
 * and the container. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "restore/restore.h"

/* The path follows, with its NUL. Inode 0: a directory that may have been made, and is empty then.
 */
struct made {
	uint64_t device;
	uint64_t inode;
};

enum {
	NAME_SIZE = 64, /* more than the name of such a directory */
	END_TIMEOUT_MS = 2000,
};

static char *list_of(const struct restore_private *own)
{
	return (char *)&own->shared->objects[own->shared->capacity];
}

size_t restore_made_room(const struct image *image)
{
	/* Every path is in a record of its own, and twice more that of a directory beside it. */
	return 3 * (image->metadata_size + image->record_count * (sizeof(struct made) + NAME_SIZE));
}

static void add(struct restore *rs, const char *path, struct made made)
{
	struct restore_shared *shared = rs->own->shared;
	size_t size = strlen(path) + 1;
	char *end = list_of(rs->own) + shared->made_size;

	if (shared->made_size + sizeof(made) + size > restore_made_room(rs->own->image))
		return;
	memcpy(end, &made, sizeof(made));
	memcpy(end + sizeof(made), path, size);
	shared->made_size += sizeof(made) + size;
}

void restore_made(struct restore *rs, const char *path, const struct stat *st)
{
	add(rs, path, (struct made){ .device = st->st_dev, .inode = st->st_ino });
}

void restore_making_directory(struct restore *rs, const char *path)
{
	add(rs, path, (struct made){ .inode = 0 });
}

/* What is still in a directory of ours. */
static void empty(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
}

/* If it is still the same. */
static void take_away(int root, const struct made *made, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const char *name = strrchr(path, '/') + 1;
	auto_free char *parent = mem_copy(path, (size_t)(name - path));
	auto_close int dir = sys_openat2(root, parent, &how);
	struct stat st;

	if (dir >= 0 && made->inode == 0)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != made->device || st.st_ino != made->inode)
		return;
	if (S_ISDIR(st.st_mode))
		empty(dir, name);
	(void)unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

static void undo(const struct restore *rs, int root)
{
	const char *at = list_of(rs->own);
	const char *end = at + rs->own->shared->made_size;

	while (at < end) {
		struct made made;

		memcpy(&made, at, sizeof(made));
		at += sizeof(made);
		take_away(root, &made, at);
		at += strlen(at) + 1;
	}
	rs->own->shared->made_size = 0;
}

void restore_undo_here(const struct restore *rs)
{
	if (rs->own->root.dir >= 0)
		undo(rs, rs->own->root.dir);
}

bool restore_undo(const struct restore *rs, pid_t init)
{
	auto_close int root = -1;
	char path[64];

	if (!rs->own || !rs->own->shared || rs->own->shared->made_size == 0 || init <= 0)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		undo(rs, root);
	return root >= 0;
}

/* ---- when we are killed ---- */

/* -1: whenever that is. */
static bool await_end(int pidfd, int milliseconds)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int r;

	do {
		r = poll(&end, 1, milliseconds);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/* Nothing of ours stays open in the process that waits, but these. */
static void keep_only(int *fds, size_t count)
{
	enum { FIRST = 100 };

	for (size_t i = 0; i < count; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST);
	for (int fd = 0; fd < FIRST; fd++)
		(void)close(fd);
	for (size_t i = 0; i < count; i++) {
		(void)dup2(fds[i], (int)i);
		fds[i] = (int)i;
	}
	(void)close_range((unsigned int)count, ~0u, 0);
}

/* A restore that could not say that it was one is none: its container ends, whether its tracer took
 * it along or had let it go. What v1 has frozen does not even die. */
static _Noreturn void wait_and_undo(const struct restore *rs, int parent, int init, int user,
				    int mounts, int freezer)
{
	int fds[] = { parent, init, user, mounts, freezer };
	int root;

	keep_only(fds, sizeof(fds) / sizeof(fds[0]) - (freezer < 0));
	(void)await_end(fds[0], -1);
	(void)syscall(SYS_pidfd_send_signal, fds[1], SIGKILL, NULL, 0);
	if (freezer >= 0)
		(void)!write(fds[4], "THAWED", 6);
	if (!await_end(fds[1], END_TIMEOUT_MS))
		_exit(0);
	if (setns(fds[2], CLONE_NEWUSER) < 0 || setns(fds[3], CLONE_NEWNS) < 0)
		_exit(1);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		undo(rs, root);
	_exit(0);
}

static int open_of(pid_t pid, const char *name)
{
	auto_free char *path = mem_printf("/proc/%d/ns/%s", pid, name);

	return open(path, O_RDONLY | O_CLOEXEC);
}

int restore_guard_begin(struct restore *rs, pid_t init, int init_pidfd, int cgroup_v1,
			struct err *err)
{
	auto_close int freezer =
	    cgroup_v1 < 0 ? -1 : openat(cgroup_v1, "freezer.state", O_WRONLY | O_CLOEXEC);
	auto_close int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	auto_close int user = open_of(init, "user");
	auto_close int mounts = open_of(init, "mnt");
	sigset_t all;
	sigset_t before;
	pid_t child;

	if (self < 0 || user < 0 || mounts < 0)
		return err_set(err, -errno, "prepare for an end in the middle");
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0)
		wait_and_undo(rs, self, init_pidfd, user, mounts, freezer);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return err_set(err, -errno, "create a process");
	rs->own->guard = child;
	return 0;
}

void restore_guard_end(struct restore *rs)
{
	if (!rs->own || rs->own->guard <= 0)
		return;
	(void)kill(rs->own->guard, SIGKILL);
	while (waitpid(rs->own->guard, NULL, 0) < 0 && errno == EINTR)
		;
	rs->own->guard = 0;
}
