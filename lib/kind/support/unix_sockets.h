/* The container's unix sockets while it is saved: found, with their queues, before any of them is
 * dumped, because each may name others. */
#pragma once

#include "kind/kind.h"
#include "kind/support/unix_diag.h"
#include "kind/support/unix_peek.h"
#include "kind/support/unix_rec.h"

struct unix_socket {
	uint32_t id;
	uint32_t inode;
	int type;
	int fd;	       /* borrowed */
	bool is_known; /* to the kernel's list: it is in the container's network namespace */
	struct unix_facts facts;
	struct unix_name name;
	struct unix_name peer_name;
	struct unix_credentials credentials; /* SO_PEERCRED */
	uint32_t netns;			     /* 0: the container's own */
	int queue_error;		     /* a negative errno: the queue could not be read */
	struct unix_queue queue;
};

/* A socket that no task has, made for others: see UNIX_GONE. */
struct unix_gone {
	uint32_t id;
	int type;
	bool is_listening;
	struct unix_name name;
};

/* A socket of ours, to ask in a network namespace. */
struct unix_asker {
	uint32_t netns; /* 0: the container's own */
	int netlink;
};

struct unix_sockets {
	struct unix_asker *askers; /* owned */
	size_t asker_count;
	struct unix_socket **list; /* owned */
	size_t count;
	struct unix_gone *gone; /* owned */
	size_t gone_count;
	struct putback *putback; /* owned; of SO_PEEK_OFF; NULL: not needed yet */
};

void unix_sockets_free(struct unix_sockets *sockets);

/* The kind's collect: adds the socket at the cursor, and the descriptors in its queue. */
int unix_sockets_collect(struct dump *d, struct err *err);
/* Of the socket at the cursor; it was collected. */
struct unix_socket *unix_socket_here(const struct dump *d);
/* NULL if the container has no such socket. */
struct unix_socket *unix_socket_by_inode(const struct dump *d, uint32_t inode);
/* The listening socket in whose backlog a client waits; NULL. */
const struct unix_socket *unix_socket_awaited(const struct dump *d,
					      const struct unix_socket *client);
/* A socket of this type and name: one that listens, or one that does not. */
const struct unix_socket *unix_socket_by_name(const struct dump *d, int type, bool is_listening,
					      const struct unix_name *name);
bool unix_name_is(const struct unix_name *a, const struct unix_name *b);

/* Did bind(2) give it its name? Accepted sockets have one of others. */
bool unix_socket_is_bound(const struct dump *d, const struct unix_socket *own);
/* Whether a socket, of whatever type, answers to the file behind an O_PATH descriptor. */
bool unix_file_is_bound(int place);

/* A pid of the initial view as it is in the container; 0 outside of it. */
uint32_t unix_pid_inside(const struct dump *d, pid_t pid);
