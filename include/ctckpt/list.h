/* The containers that ctckpt has started, and those of other engines that the invoker may use. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct ctckpt_container {
	char *name;	    /* owned */
	char *id;	    /* owned; its engine's; NULL: of ctckpt */
	const char *engine; /* "ctckpt", or the one that started it: "runc", "podman", ... */
	const char *state;  /* "running", "frozen", "stopped" (by SIGSTOP or the like), "created" */
	pid_t init;
	size_t tasks;	 /* processes */
	uint64_t memory; /* bytes: its share of what it maps (Pss), or where that is hidden Rss */
	char *cgroup;	 /* owned; the directory of the cgroup that freezes it; NULL: none */
	char *rootfs;	 /* owned; NULL: the host's view */
	char *image;	 /* owned; restored from; NULL: started by run */
};

/* By name; those of one engine, or of all: NULL. */
int ctckpt_list(const char *engine, struct ctckpt_container **ret_containers, size_t *ret_count,
		struct err *err);
void ctckpt_list_free(struct ctckpt_container *containers, size_t count);
