/* What a checkpoint meets, and a restore can't bring back: no plan would know of it, and no report,
 * if it was not in the image. Noted only where it is there. */
#pragma once

#include "kind/kind.h"

enum loss {
	LOSS_OVERRUNS = 1, /* of timers of a task */
	LOSS_ZOMBIE_IDS,   /* of a task */
	LOSS_PEER_GROUPS,  /* of a unix socket */
	LOSS_FILE_FLAGS,   /* of files below a path */
	LOSS_ZOMBIE_GROUP, /* process group, session; of a task */
	LOSS_LANDLOCK,	   /* of a thread, if it was restricted */
	LOSS_CGROUP,	   /* a file of v1, by its name */
	LOSS_SLICE,	   /* of processor time, that a thread asked for */
	LOSS_BUSY_POLL,	   /* of an epoll: its parameters */
	LOSSES,
};

/* In kind/container/loss.c: a record of `count` such things. `id`: of a task or an open file; 0:
 * the container. `name`: of what they belong to, besides; may be NULL. */
void dump_loss(struct dump *d, enum loss what, uint32_t id, uint32_t count, const char *name);
