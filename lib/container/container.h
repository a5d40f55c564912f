/* A fresh container: a child in new namespaces owned by the invoker, with its root, mounts,
 * hostname, loopback and clocks. `run` executes a command in it; `restore` turns it into the
 * saved tasks. Needs no privilege. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/volume.h"
#include "core/err.h"
#include "policy/plan.h"

struct container_spec {
	const char *rootfs;   /* NULL: the invoker's own view of the file system */
	const char *hostname; /* NULL: as the invoker's */
	const char *domainname;
	const struct id_map *uid_map; /* written by newuidmap where the kernel refuses us */
	size_t uid_map_count;
	const struct id_map *gid_map;
	size_t gid_map_count;
	bool has_time_offsets;	     /* a time namespace with these offsets */
	int64_t monotonic_offset_ns; /* against the invoker's clocks */
	int64_t boottime_offset_ns;
	struct volumes *volumes; /* mounted in it; NULL: none */
	/* In the first task, in the root directory: makes that its root, with all mounts; NULL:
	 * ctckpt's own (mounts.c). */
	int (*make_root)(void *argument, struct err *err);
	void *make_root_argument;
	int cgroup;    /* directory descriptor of the cgroup to start in (v2), or -1 */
	int cgroup_v1; /* the same for the v1 freezer, or -1 */
	/* Runs in the container's first task (pid 1), as root of its user namespace, once all
	 * namespaces are in place; it must not return 0 but through exec or _exit. An error
	 * travels to container_start. */
	int (*main)(void *argument, struct err *err);
	void *argument;
};

struct container {
	pid_t init; /* outer; a child of the caller */
	int pidfd;
	int sync; /* its end of the socket by which the first task reports; see container_ready */
};

#define CONTAINER_NONE ((struct container){ .pidfd = -1, .sync = -1 })

/* Creates the namespaces and the first task. `main` starts only after container_go(), so that the
 * caller can seize the task before. */
int container_start(const struct container_spec *spec, struct container *ret_container,
		    struct err *err);
/* Lets main run. */
int container_go(struct container *container, struct err *err);
/* Waits until the first task has executed its command (the sync socket closes on exec) or failed:
 * then the error is the task's own. */
int container_wait_exec(struct container *container, struct err *err);
/* Kills it and reaps it. */
void container_kill(struct container *container);
/* Closes descriptors; the container goes on. */
void container_free(struct container *container);
#define auto_container __attribute__((cleanup(container_free)))

/* In main: messages to the caller, before exec; the descriptor is close-on-exec. */
int container_sync_fd(void);
void container_set_sync_fd(int fd);
