/* Thin wrappers of system calls that libc lacks. They return the result, or a negative errno. */
#pragma once

#include <linux/openat2.h>
#include <sys/types.h>

/* A pidfd, close-on-exec. */
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signal);
/* write(2), until all is written, however often it is interrupted. */
int sys_write_all(int fd, const void *data, size_t size);
/* openat2(2), but as open(2): -1 and errno. Whoever renames or mounts anything anywhere while a
 * ".." is followed within a scope makes the kernel give up with EAGAIN: it is tried again, within
 * bounds. */
int sys_openat2(int dir, const char *path, const struct open_how *how);
