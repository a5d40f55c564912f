/* What a descriptor is, in people's words. */
#pragma once

#include "kind/kind.h"

/* Appends "TCP socket", "io_uring", "terminal /dev/pts/3", "device /dev/net/tun (10:200)", ... */
void fd_describe(const struct target_fd *fd, struct buf *text);
