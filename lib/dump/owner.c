/* The user namespace that a container belongs to: the owner of its pid namespace. Its first task
 * may have entered another one since. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "dump/dump.h"

int dump_open_owner(int proc, enum target_form form)
{
	auto_close int pid_ns = -1;
	int owner = -1;
	int fd;

	if (form == TARGET_CONTAINER)
		pid_ns = openat(proc, "ns/pid", O_RDONLY | O_CLOEXEC);
	/* The kernel names none that is not our own or below it. */
	if (pid_ns >= 0)
		owner = ioctl(pid_ns, NS_GET_USERNS);
	if (owner >= 0)
		return owner;
	fd = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_ours(const struct stat *stat)
{
	struct stat own;

	return fstatat(AT_FDCWD, "/proc/self/ns/user", &own, 0) == 0 &&
	       own.st_dev == stat->st_dev && own.st_ino == stat->st_ino;
}

int dump_join_owner(const struct target *target, struct err *err)
{
	auto_close int proc = -1;
	auto_close int owner = -1;
	struct stat stat;
	int r = procfs_open_pid(target->init, &proc, err);

	if (r < 0)
		return r;
	owner = dump_open_owner(proc, target->form);
	if (owner == -EACCES || owner == -EPERM) {
		log_debug("the container's user namespace is hidden from us");
		return 0;
	}
	if (owner < 0 || fstat(owner, &stat) < 0)
		return err_set(err, owner < 0 ? owner : -errno,
			       "look at the container's user namespace");
	if (is_ours(&stat))
		return 0;
	/* In there we would be in reach of whoever may trace in it and was not stopped. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (setns(owner, CLONE_NEWUSER) == 0)
		return 0;
	if (errno != EPERM)
		return err_set(err, -errno, "enter the container's user namespace");
	log_debug("the container's user namespace is not ours to join");
	return 0;
}
