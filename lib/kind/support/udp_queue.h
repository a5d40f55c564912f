/* Datagrams that a UDP socket has received and its program has not read. They are sent again, under
 * the names of their senders. */
#pragma once

#include "kind/support/inet.h"

enum { UDP_DATAGRAM_MAX = 65535, UDP_QUEUE_MAX = 1 << 20 };

RECORDS_BEGIN
struct udp_datagram_rec {
	struct inet_address_rec from;
	struct inet_address_rec to; /* its port means nothing */
	le32 length;		    /* bytes that follow, with zeros up to a multiple of 8 */
	le32 reserved;		    /* zero */
};
RECORDS_END
static_assert(sizeof(struct udp_datagram_rec) == 56, "image format");

/* Appends those of `fd`. Returns a negative errno. */
int udp_queue_save(int fd, struct buf *body, uint32_t *ret_count);
int udp_queue_check(struct reader *reader, uint32_t count, struct err *err);
/* Fills the queue of a socket that has no address yet, and has none afterwards. */
int udp_queue_restore(struct restore *rs, int fd, struct reader *reader, uint32_t count,
		      struct err *err);
