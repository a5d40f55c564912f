/* Limits that a container has by cgroups of v1, which are one in each hierarchy: saved as what they
 * are called in v2, or noted as lost. */
#pragma once

#include "core/buf.h"
#include "kind/kind.h"

/* Calls `put` for each, with its row in the table of attributes. */
typedef void cgroup_v1_put_fn(void *argument, uint32_t attribute, const char *text);
void cgroup_v1_limits(struct dump *d, cgroup_v1_put_fn *put, void *argument);
