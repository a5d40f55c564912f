/* The containers that ctckpt knows. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct ctckpt_container {
	char *name;	    /* owned */
	const char *engine; /* "ctckpt" */
	const char *state;  /* "running", "frozen", "stopped" (by SIGSTOP or the like) */
	pid_t init;
	size_t tasks;	 /* processes */
	uint64_t memory; /* bytes: its share of what it maps (Pss), or where that is hidden Rss */
	char *cgroup;	 /* owned; the directory of the cgroup that freezes it; NULL: none */
	char *rootfs;	 /* owned; NULL: the host's view */
	char *image;	 /* owned; restored from; NULL: started by run */
};

/* By name. */
int ctckpt_list(struct ctckpt_container **ret_containers, size_t *ret_count, struct err *err);
void ctckpt_list_free(struct ctckpt_container *containers, size_t count);
