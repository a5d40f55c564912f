/* A task of ours in a container that an engine has made: in all of its namespaces, with the
 * standard descriptors of its first task. */
#pragma once

#include "container/container.h"

/* `main` runs in it at once, as root of the container's user namespace; see container_spec. Nobody
 * in the container may look at it, and but for the standard ones it has no descriptor of ours. It
 * says by join_ready() that it is done, and executes a program that waits until join_end(): others
 * may take descriptors from that. */
int container_join(pid_t init, int init_pidfd, int (*main)(void *argument, struct err *err),
		   void *argument, struct container *ret_task, struct err *err);
/* In main. */
int join_ready(struct err *err);
/* Waits for both: its pid inside of the container. */
int join_expect(struct container *task, pid_t *ret_pid, struct err *err);
void join_end(struct container *task);
