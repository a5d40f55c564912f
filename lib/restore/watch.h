/* Ends a restore whose command was killed while it hung. See watch.c. */
#pragma once

#include <sys/types.h>

#include "core/err.h"

/* `lifeline` is readable once the command is gone; -1: there is nobody to watch for. In
 * *ret_watcher a child of ours, to be ended by the other call before the container may outlive the
 * command. */
int restore_watch_begin(int lifeline, int init_pidfd, pid_t *ret_watcher, struct err *err);
void restore_watch_end(pid_t *watcher);
