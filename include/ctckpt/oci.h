/* Containers that were restored from an OCI bundle, by the operations of the OCI runtime command
 * line: they are there until they are deleted. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/json.h"

/* The state as JSON: ociVersion, id, pid, status (running, paused or stopped), bundle, rootfs,
 * created, annotations, owner. *ret_state is the caller's. */
int ctckpt_oci_state(const char *id, struct json **ret_state, struct err *err);
/* Sends a signal to its first task, or to all of its tasks. After SIGKILL to the first task of a
 * container that is not frozen, waits until that has ended, for 20 seconds at most. */
int ctckpt_oci_kill(const char *id, int signal, bool is_to_all, struct err *err);
/* Forgets it, and runs its poststop hooks; `is_forced`: it may still run, and is killed then, and
 * it is no error if there is none. *ret_warning says what went wrong in a hook, which is no error
 * either. */
int ctckpt_oci_delete(const char *id, bool is_forced, struct err *ret_warning, struct err *err);
