/* TCP sockets: what state they are in, and connections, which come back in pairs.
 *
 * A connection with both ends in the container is made anew: two sockets in repair mode are joined
 * without a packet, what was received is put back into their receive queues, and what the other end
 * had not got yet is sent once more. Sequence numbers are new, bytes and their order are not. */
#pragma once

#include <netinet/tcp.h>

#include "kind/support/inet.h"

/* States of tcp_info, include/net/tcp_states.h, which are TCP_ESTABLISHED.. of netinet/tcp.h. */

bool tcp_is(const struct target_fd *fd);
/* The state of a TCP socket, and more; false if the kernel does not tell. */
bool tcp_info_get(int fd, struct tcp_info *ret_info);
/* Is the peer on this host, as seen from its network: at an address of loopback, or one's own? */
bool tcp_is_here(const struct inet_address_rec *local, const struct inet_address_rec *peer);
/* It never had a peer, or has one no more and nothing of his left: a socket that could connect. */
bool tcp_is_fresh(int fd, const struct tcp_info *info);

/* ---- dump ---- */

/* False if something of the socket at the cursor was blocked that no TCP socket may have: another
 * protocol on top of it, signatures of segments. */
bool tcp_is_plain(struct dump *d);

/* ---- restore ---- */

/* A new socket with its early options. Buffers are as large as the saved ones, which the invoker's
 * limits do not allow, but the defaults of his own network namespace do; the one for sending is
 * larger by `room` bytes. */
int tcp_make(struct restore *rs, const struct socket_rec *common,
	     const struct socket_option *options, uint32_t room, int *ret_fd, struct err *err);
/* TCP_REPAIR: 1, 0 or TCP_REPAIR_OFF_NO_WP, without a packet to the other end. */
int tcp_repair(int fd, int mode, struct err *err);
#ifndef TCP_REPAIR_OFF_NO_WP
#define TCP_REPAIR_OFF_NO_WP (-1)
#endif
/* With `force`, beside whatever has the address already. */
int tcp_bind(int fd, const struct inet_address_rec *local, bool force, struct err *err);
