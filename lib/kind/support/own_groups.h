/* Supplementary groups that a restore gives without being asked: those of its invoker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Are these, which get sorted, the caller's, as its user namespace calls them? */
bool own_groups_are(gid_t *groups, size_t count);
