/* Limits that somebody has set in a user or pid namespace, user_namespaces(7): a new one is without
 * them, and they may be there to confine. */
#pragma once

#include "core/err.h"

struct dump;
struct dump_namespace;

/* Dump: a limit of this namespace is a blocker. */
int ns_limits_dump(struct dump *d, const struct dump_namespace *ns, struct err *err);
