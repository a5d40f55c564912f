/* Thin wrappers of system calls. See sys.h. */
#include "core/sys.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Each try takes microseconds: who disturbs so many is no accident. */
enum { SCOPE_TRIES = 1000 };

int sys_write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int sys_pidfd_open(pid_t pid)
{
	long r = syscall(SYS_pidfd_open, pid, 0);

	return r < 0 ? -errno : (int)r;
}

int sys_pidfd_send_signal(int pidfd, int signal)
{
	long r = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);

	return r < 0 ? -errno : 0;
}

int sys_openat2(int dir, const char *path, const struct open_how *how)
{
	int fd = -1;

	for (int i = 0; i < SCOPE_TRIES; i++) {
		fd = (int)syscall(SYS_openat2, dir, path, how, sizeof(*how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}
