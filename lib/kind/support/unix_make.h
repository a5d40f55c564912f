/* Makes unix sockets: with their names, connected. What they hold comes later, when all that may
 * be in flight exists. */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include "kind/kind.h"
#include "kind/support/socket.h"
#include "kind/support/unix_rec.h"

/* A socket's record, taken apart. */
struct unix_parts {
	uint32_t id;
	int type;
	const struct record *record;
	const struct socket_rec *socket;
	const struct unix_rec *rec;
	const char *name;
	size_t name_length;
	const char *path;   /* NULL: none; likewise: */
	const char *target; /* that it was connected with, outside */
	const char *outsider;
};
/* False if there is no such record. */
bool unix_parts(const struct image *image, uint32_t id, struct unix_parts *ret_parts);
/* `size` bytes and the zeros behind them; NULL when fewer are left. */
const void *unix_take(struct reader *reader, size_t size);

/* Makes the socket of this record, and its peer, unless it exists. */
int unix_make(struct restore *rs, const struct record *record, struct err *err);
/* Is it given, or a new connection? Then nothing of the old one is put into it. */
bool unix_is_new(const struct restore *rs, uint32_t id);
/* Connects one that leads outside by its path, if the plan says so. */
int unix_reopen(const struct restore *rs, const struct unix_parts *own, int fd, struct err *err);
/* Connects with the address of another socket of ours, wherever its file is. Returns a negative
 * errno. */
int unix_connect(int fd, int to);
/* Likewise, by a task with these credentials: unix_as.h. */
int unix_connect_as(struct restore *rs, const struct unix_credentials *who, int fd, int to);
/* The address by which `fd` can be reached. `ret_file` is to be held as long as it is used. */
int unix_address_of(int fd, struct sockaddr_un *ret_address, socklen_t *ret_size, int *ret_file);
