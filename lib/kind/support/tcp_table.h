/* The TCP sockets of a network namespace, as /proc/PID/net/tcp and tcp6 list them: those that have
 * no descriptor too. Files of other protocols have the same form. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kind/support/inet.h"

struct tcp_place {
	unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
};

struct tcp_line {
	uint32_t netns; /* 0: the container's own network namespace */
	struct tcp_place local, peer;
	uint32_t state;
	uint32_t to_send;    /* bytes that the other end did not confirm; with its end, one more */
	uint32_t to_receive; /* bytes that were not read; listening: connections that wait */
	uint64_t inode;	     /* 0: without a descriptor */
};

struct tcp_table {
	struct tcp_line *lines; /* owned; sorted by tcp_table_sort() */
	size_t count;
};

#define TCP_TABLE_NONE ((struct tcp_table){ .lines = NULL })

/* Adds the lines of a file of each network namespace in which there are tasks; true if it is there.
 */
bool tcp_table_read(struct tcp_table *table, const struct dump *d, const char *path);
/* Adds the lines of a text; what is no line is left out. */
void tcp_table_parse(struct tcp_table *table, const char *text);
void tcp_table_sort(struct tcp_table *table);
/* The connection between these two, seen from the first; NULL: there is none. */
const struct tcp_line *tcp_table_find(const struct tcp_table *table, uint32_t netns,
				      const struct tcp_place *local, const struct tcp_place *peer);
/* The other end of a connection of the network namespace `netns`: in that one, or in another one
 * of the container; NULL: nowhere. */
const struct tcp_line *tcp_find_other(const struct dump *d, const struct tcp_table *table,
				      uint32_t netns, const struct tcp_place *local,
				      const struct tcp_place *peer);
struct tcp_place tcp_place_of(const struct inet_address_rec *rec);
bool tcp_place_is_same(const struct tcp_place *a, const struct tcp_place *b);
