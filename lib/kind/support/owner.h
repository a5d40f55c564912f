/* Whose a record is: for the link operations of kinds. */
#pragma once

#include "core/err.h"
#include "image/record.h"
#include "kind/kind.h"

/* The record's id must be that of a process that was alive, or of a thread, in front of it. */
int owner_link_task(const struct image *image, const struct record *record, struct err *err);
int owner_link_thread(const struct image *image, const struct record *record, struct err *err);
/* A living task or thread has a record of each kind that takes a privilege from it, or gives it a
 * state: without one it would keep what its maker has. */
int owner_link_parts(const struct image *image, const struct record *record, enum scope scope,
		     struct err *err);
/* The task id of a thread; 0 if there is no such thread. */
uint32_t owner_task_of(const struct image *image, uint32_t thread);
