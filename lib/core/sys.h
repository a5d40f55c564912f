/* Thin wrappers of system calls that libc lacks. They return the result, or a negative errno. */
#pragma once

#include <sys/types.h>

/* A pidfd, close-on-exec. */
int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signal);
