/* The queue of a unix socket, read without taking anything out of it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/err.h"

/* A name as bind(2) took it: what follows the family. Abstract names begin with a NUL. */
struct unix_name {
	size_t length; /* 0: none */
	char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

struct unix_message {
	void *data; /* owned */
	size_t size;
	int *files;	   /* owned, with the descriptors in it: duplicates of those in flight */
	uint32_t *objects; /* owned: their ids, once they are known: then files are -1 */
	size_t file_count;
	struct unix_name sender;  /* of a datagram */
	bool has_credentials;	  /* the socket asks for them (SO_PASSCRED) */
	struct ucred credentials; /* as we see them */
	uint32_t pid;		  /* as the container does; 0: outside, or not known yet */
};

struct unix_queue {
	struct unix_message *messages; /* owned */
	size_t count;
};
#define UNIX_QUEUE_EMPTY ((struct unix_queue){ .messages = NULL })

#define UNIX_MESSAGES_MAX (1u << 16)

void unix_queue_free(struct unix_queue *queue);

/* getsockname(2), getpeername(2). Returns a negative errno. */
int unix_name_own(int fd, struct unix_name *ret_name);
int unix_name_peer(int fd, struct unix_name *ret_name);

/* Behind the packets there is an end of file: they must have credentials to be told from it. */
bool unix_queue_has_end(int fd, int type);
/* All messages of a queue of this type. Of a stream, a message is what cannot be read in pieces
 * that begin elsewhere without a difference: it ends where descriptors or credentials do.
 * The offset of SO_PEEK_OFF is moved for a moment. Returns a negative errno; -EPROTO when something
 * is in the queue that cannot be had in this way. */
int unix_queue_peek(int fd, int type, struct unix_queue *ret_queue);
