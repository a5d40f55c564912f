/* What only the kernel's own list tells of a unix socket: its peer, its state, who waits in its
 * backlog. One question a socket, by its inode number, in the container's network namespace. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kind/kind.h"

/* Of a connected peer without a descriptor: dead, or waiting to be accepted. */
#define UNIX_DIAG_NOBODY 0u

struct unix_facts {
	bool is_listening;
	bool has_peer;
	uint32_t peer;	     /* inode; UNIX_DIAG_NOBODY */
	uint32_t shutdown;   /* bit 0: receives no more, bit 1: sends no more */
	uint32_t backlog;    /* of a listening socket: its limit */
	uint32_t file_inode; /* of the path that it is bound to, the low 32 bits; 0: none */
	uint32_t *waiting;   /* owned: the clients in the backlog, the first in front */
	size_t waiting_count;
};
#define UNIX_FACTS_NONE ((struct unix_facts){ .waiting = NULL })

void unix_facts_free(struct unix_facts *facts);

/* A socket of ours in that network namespace. */
int unix_diag_socket(int namespace, int family, int type, int protocol, int *ret_fd,
		     struct err *err);
/* `netlink` is one for NETLINK_SOCK_DIAG. */
int unix_diag_ask(int netlink, uint32_t inode, struct unix_facts *ret_facts, struct err *err);
