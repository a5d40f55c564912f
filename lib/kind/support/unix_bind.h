/* Gives unix sockets their names.
 *
 * A name is what bind(2) was told, byte by byte, be it relative, or of a file that is gone. So it
 * is bound in a root directory made for it alone; where a file is to lead to the socket, a new
 * directory beside its place is mounted there, and the file is then renamed. Only a socket that
 * nobody has bound any more is replaced by it, and only where the invoker may. */
#pragma once

#include "kind/support/unix_make.h"

int unix_bind(struct restore *rs, int fd, const struct unix_parts *parts, struct err *err);
/* May a socket be put there, as the calling process, beneath the directory `root`? A negative errno
 * if not: -EADDRINUSE if somebody has that name in use, -EEXIST if it is no socket. */
int unix_bind_trial(int root, const char *path);
