/* Files of /proc that set something of a process. */
#pragma once

#include "core/err.h"
#include "remote/remote.h"

/* finish, before the ids of the main thread change: makes /proc/PID/`name` of the task that the
 * script is for read as `text`, from outside, or by the task itself where it has an id that is not
 * ours. May run the script. */
int proc_file_set(struct script *script, const char *name, const char *text, struct err *err);
