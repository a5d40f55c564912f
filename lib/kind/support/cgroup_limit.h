/* Limits of cgroups that are one number, and what the invoker's own cgroup leaves of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Counters of bytes begin with all that they can count: is this no limit? */
bool cgroup_limit_is_none(uint64_t bytes);
/* A number, and UINT64_MAX for "max". False: the text is neither. */
bool cgroup_limit_take(const char *text, uint64_t *ret_limit);
/* The least that the cgroup at this path, and those above, have in such a file. */
uint64_t cgroup_limit_above(const char *cgroup, const char *file);
/* Has that cgroup what makes this file? */
bool cgroup_has_controller(const char *cgroup, const char *file);
