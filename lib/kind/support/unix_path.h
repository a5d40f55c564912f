/* Where the file is that leads to a unix socket. */
#pragma once

#include "kind/support/unix_sockets.h"

/* Owned, beneath the container's root; NULL if there is none (any more). The stat is the file's.
 * Returns a negative errno if it is not known. */
int unix_path_find(const struct dump *d, const struct unix_socket *own, char **ret_path,
		   struct stat *ret_stat);
