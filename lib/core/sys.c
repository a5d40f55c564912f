/* Thin wrappers of system calls. See sys.h. */
#include "core/sys.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

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
