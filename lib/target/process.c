/* Single processes of /proc. See process.h. */
#include "target/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "core/sys.h"

static void make_label(char label[64], const char comm[64])
{
	for (size_t i = 0; i < 64; i++)
		label[i] = comm[i] == '\0' || (comm[i] >= ' ' && comm[i] <= '~') ? comm[i] : '?';
}

int process_read(int proc, struct process *ret_process, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_stat stat;
	int r;

	r = procfs_read(proc, "status", &text, err);
	if (r == 0)
		r = procfs_status_parse(text.data, &status, err);
	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data, &stat, err);
	if (r < 0)
		return r;
	*ret_process = (struct process){
		.pid = status.pid,
		.tgid = status.tgid,
		.ppid = stat.ppid,
		.state = stat.state,
		.flags = stat.flags,
		.start_time = stat.start_time,
		.ns_depth = status.ns_depth,
		.ns_pid = status.ns_pid[status.ns_depth - 1],
	};
	make_label(ret_process->label, stat.comm);
	return 0;
}

int process_read_pid(pid_t pid, struct process *ret_process, struct err *err)
{
	auto_close int proc = -1;
	int r = procfs_open_pid(pid, &proc, err);

	return r < 0 ? r : process_read(proc, ret_process, err);
}

int process_pid_ns(pid_t pid, struct pid_ns *ret_ns, struct err *err)
{
	char path[32];
	struct stat stat;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (fstatat(AT_FDCWD, path, &stat, 0) < 0)
		return err_set(err, -errno, "look at %s", path);
	*ret_ns = (struct pid_ns){ .dev = stat.st_dev, .ino = stat.st_ino };
	return 0;
}

static bool is_same(const struct pid_ns *a, const struct pid_ns *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* The kernel tells no parent beyond our own namespace. */
static bool is_below(pid_t pid, const struct pid_ns *ns)
{
	auto_close int fd = -1;
	struct stat stat;
	char path[32];
	int parent;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (parent = ioctl(fd, NS_GET_PARENT)) >= 0) {
		drop_fd(&fd);
		fd = parent;
		if (fstat(fd, &stat) == 0 && stat.st_dev == ns->dev && stat.st_ino == ns->ino)
			return true;
	}
	return false;
}

enum pid_ns_place process_place(pid_t pid, const struct pid_ns *ns, const struct pid_ns *own)
{
	struct err err = ERR_NONE;
	struct pid_ns found;

	switch (process_pid_ns(pid, &found, &err)) {
	case 0:
		break;
	case -ENOENT:
	case -ESRCH:
		return PID_NS_GONE;
	default:
		return PID_NS_HIDDEN;
	}
	if (is_same(&found, ns))
		return PID_NS_INSIDE;
	if (is_same(&found, own) || !is_below(pid, ns))
		return PID_NS_OUTSIDE;
	return PID_NS_INSIDE;
}

/* The start time is read while the pidfd shows that the number was not used again. */
bool process_has_ended(pid_t pid, uint64_t start_time)
{
	auto_close int pidfd = sys_pidfd_open(pid);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	struct process process;
	struct err err = ERR_NONE;

	if (pidfd == -EINVAL || pidfd == -ENOENT) /* a thread has the number now */
		return true;
	if (pidfd < 0)
		return pidfd == -ESRCH;
	if (process_read_pid(pid, &process, &err) == 0 && process.start_time != start_time)
		return true;
	return poll(&ended, 1, 0) > 0;
}

int process_list(pid_t **ret_pids, size_t *ret_count, struct err *err)
{
	auto_closedir DIR *dir = opendir("/proc");
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "open /proc");
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		const char *at = entry->d_name;
		uint64_t pid;

		if (!scan_number(&at, 10, INT_MAX, &pid) || *at != '\0')
			continue;
		array_grow(pids, count);
		pids[count++] = (pid_t)pid;
	}
	if (errno != 0)
		return err_set(err, -errno, "read /proc");
	pids_sort(pids, &count);
	*ret_pids = take_ptr(pids);
	*ret_count = count;
	return 0;
}

int process_check_proc(struct err *err)
{
	auto_free char *link = NULL;
	const char *at;
	uint64_t pid;
	int r = procfs_readlink(AT_FDCWD, "/proc/self", &link, err);

	if (r < 0)
		return err_set(err, ERR_HOST, "/proc is not mounted, or not of this pid namespace");
	at = link;
	if (!scan_number(&at, 10, INT_MAX, &pid) || *at != '\0' || (pid_t)pid != getpid())
		return err_set(err, ERR_HOST, "/proc belongs to another pid namespace");
	return 0;
}

static int compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

void pids_sort(pid_t *pids, size_t *count)
{
	size_t kept = 0;

	if (*count == 0)
		return;
	qsort(pids, *count, sizeof(*pids), compare);
	for (size_t i = 0; i < *count; i++) {
		if (kept == 0 || pids[kept - 1] != pids[i])
			pids[kept++] = pids[i];
	}
	*count = kept;
}

bool pids_have(const pid_t *pids, size_t count, pid_t pid)
{
	return count > 0 && bsearch(&pid, pids, count, sizeof(*pids), compare);
}
