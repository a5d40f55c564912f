/* Locks with patience. See lock.h.
 *
 * flock(2) has no deadline. A child waits in it, with our own open file description: the lock that
 * it gets is ours. When it takes too long, the child is ended. */
#include "core/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"

/* ---- who has it ---- */

/* Of /proc/locks: "2: FLOCK  ADVISORY  WRITE 812 00:2f:4711 0 EOF"; who waits has "->" before the
 * type. Others' pid namespaces have no lines in ours. */
static pid_t holder_of(const char *line, const struct stat *stat)
{
	unsigned int major, minor;
	uint64_t inode;
	int pid;

	if (sscanf(line, "%*[0-9]: FLOCK %*s %*s %d %x:%x:%" SCNu64, &pid, &major, &minor,
		   &inode) != 4)
		return 0;
	return makedev(major, minor) == stat->st_dev && inode == stat->st_ino ? pid : 0;
}

static pid_t find_holder(int fd)
{
	auto_buf struct buf locks = BUF_EMPTY;
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err ignored;
	struct stat stat;
	pid_t pid = 0;

	if (fstat(fd, &stat) < 0 || proc < 0 || procfs_read(proc, "locks", &locks, &ignored) < 0)
		return 0;
	for (char *line = locks.data; line && pid <= 0;) {
		pid = holder_of(line, &stat);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return pid > 0 ? pid : 0;
}

static int say_held(int fd, const char *path, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	struct err ignored;
	pid_t pid = find_holder(fd);

	(void)err_set(err, ERR_FAILED, "%s is locked by a process that is not seen from here",
		      path);
	if (pid > 0)
		(void)err_set(err, ERR_FAILED, "%s is locked by process %d", path, pid);
	if (pid > 0 && procfs_open_pid(pid, &proc, &ignored) == 0 &&
	    procfs_read(proc, "stat", &text, &ignored) == 0 &&
	    procfs_stat_parse(text.data, &stat, &ignored) == 0)
		(void)err_set(err, ERR_FAILED, "%s is locked by process %d (%s)", path, pid,
			      stat.comm);
	return err_hint(err, "it may stand still: let it go on, or end it, then try again");
}

/* ---- waiting ---- */

static int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void wait_in_child(int fd, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			_exit(1);
	}
	_exit(0);
}

static bool ends_in_time(int pidfd, unsigned int patience_ms)
{
	int64_t deadline = now_ms() + patience_ms;
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int64_t left;

	while ((left = deadline - now_ms()) > 0) {
		int n = poll(&ended, 1, (int)left);

		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static int wait_for_child(int fd, const char *path, unsigned int patience_ms, struct err *err)
{
	auto_close int pidfd = -1;
	pid_t parent = getpid();
	pid_t child = fork();
	int status = 0;
	bool is_in_time;

	if (child < 0)
		return err_set(err, -errno, "wait for the lock of %s", path);
	if (child == 0)
		wait_in_child(fd, parent);
	pidfd = sys_pidfd_open(child);
	is_in_time = pidfd >= 0 && ends_in_time(pidfd, patience_ms);
	(void)kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return is_in_time ? err_set(err, ERR_FAILED, "lock %s", path) : say_held(fd, path, err);
}

int lock_wait(int fd, const char *path, unsigned int patience_ms, struct err *err)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return wait_for_child(fd, path, patience_ms, err);
		if (errno != EINTR)
			return err_set(err, -errno, "lock %s", path);
	}
	return 0;
}
