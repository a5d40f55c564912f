/* What UDP, ping and raw sockets share: addresses and multicast groups. */
#pragma once

#include "kind/support/inet.h"

#define DATAGRAM_SHUT_READ  1u /* shutdown(2) */
#define DATAGRAM_SHUT_WRITE 2u
#define DATAGRAM_FLAGS	    3u

RECORDS_BEGIN
struct datagram_socket_rec {
	struct inet_address_rec local;
	struct inet_address_rec peer; /* none: it is not connected */
	le32 flags;
	le32 groups; /* multicast groups, which follow */
};
RECORDS_END
static_assert(sizeof(struct datagram_socket_rec) == 56, "image format");

/* Appends all that is common to the socket at the cursor. False if something was blocked. */
bool datagram_save(struct dump *d, const struct socket_option *options, struct buf *body);
/* For those whose received packets cannot be made again. */
bool datagram_block_queue(struct dump *d, const char *what);
/* Hostile bytes. -1 is any protocol. */
int datagram_check(struct reader *reader, const struct socket_option *options, uint32_t type,
		   int protocol, struct err *err);
/* Gives `fd` all that was saved, and the reader what is behind it. */
int datagram_restore(struct restore *rs, struct reader *reader, const struct socket_option *options,
		     int fd, struct err *err);
