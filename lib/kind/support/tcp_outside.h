/* TCP connections that lead out of the container, made again where the other end left them.
 *
 * The new network namespace may lack their addresses, and a way to the other end: for the time of
 * the making, both addresses are its own. An end of the stream that was received cannot be put
 * back: a socket at the other end's address sends it once more. Nothing leaves the socket before
 * all this is gone. */
#pragma once

#include "kind/support/tcp_pair.h"

/* Is this an address of an interface in the container's own network, as it was saved? */
bool tcp_has_address(const struct image *image, const struct inet_address_rec *local);
/* All of them at once: while the addresses are there, no end may have anything to say. All
 * descriptors are made, or none. */
int tcp_outside_restore(struct restore *rs, struct tcp_end *ends, size_t count, struct err *err);
/* The same connection, closed: what was received can be read. */
int tcp_cut_restore(struct restore *rs, struct tcp_end *end, struct err *err);
