/* A restore into a container that an engine has made, and in which nothing runs yet but a program
 * that waits. That program's task becomes the saved init; a task of ours that joins the container
 * makes what tasks share. */
#pragma once

#include "container/container.h"
#include "ctckpt/ctckpt.h"
#include "policy/plan.h"
#include "restore/restore.h"

/* The container's limits in place of the invoker's: what is saved may be no more than these. */
int join_take_facts(const struct ctckpt_join *join, struct host_facts *facts, struct err *err);
/* Refuses by name what cannot be in such a container; notes what is the engine's instead of what
 * was saved. */
int join_check(struct restore *rs, const struct ctckpt_join *join, struct err *err);
/* Stops and traces the waiting program. */
int join_seize(pid_t init, struct err *err);
/* By *task (of container_join()), all objects are made; then the first task has them, and is the
 * model of all tasks. */
int join_make_first_task(struct restore *rs, const struct ctckpt_join *join, pid_t init,
			 int init_pidfd, struct err *err);
