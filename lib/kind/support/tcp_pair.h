/* TCP connections made anew, both ends at once. See tcp.h. */
#pragma once

#include "kind/support/tcp.h"

/* What is at the other end of a connection. */
enum tcp_form {
	TCP_FORM_PAIR = 1,   /* another socket of the container */
	TCP_FORM_WIDOWED,    /* it was closed: there is an end of the stream to be read */
	TCP_FORM_LOST,	     /* nothing: whatever is sent is answered by a reset */
	TCP_FORM_WAITING,    /* nobody yet: it waits for a listening socket's accept(2) */
	TCP_FORM_CONNECTING, /* the connection is being made */
	TCP_FORM_DEAD,	     /* closed at both ends: what was received can still be read */
	TCP_FORM_CUT,	     /* likewise; at the checkpoint, it led out of the container */
	TCP_FORMS,
};

#define TCP_SHUT_WRITE 1u /* shutdown(2) of this end */
#define TCP_SHUT_READ  2u
#define TCP_TIMESTAMPS 4u /* options that both ends have agreed on */
#define TCP_SACK       8u
#define TCP_SCALE      16u
#define TCP_FLAGS      31u

RECORDS_BEGIN
struct tcp_connection_rec {
	struct inet_address_rec local;
	struct inet_address_rec peer; /* none for a dead one */
	le32 mate;		      /* the socket at the other end, if it was before; 0: not */
	le32 form;		      /* enum tcp_form */
	le32 flags;
	le32 segment;	    /* the largest that this end takes, bytes */
	le32 send_scale;    /* of windows: powers of two */
	le32 receive_scale; /* likewise */
	le32 received;	    /* bytes that were not read */
	le32 unsent;	    /* bytes that the other end has not received */
};
RECORDS_END
static_assert(sizeof(struct tcp_connection_rec) == 80, "image format");

/* A record taken apart. */
struct tcp_end {
	const struct socket_rec *common;
	const struct tcp_connection_rec *rec;
	struct inet_address_rec local, peer;
	const char *received;
	const char *unsent;
	uint32_t netns; /* its network namespace; 0: the container's own */
	int fd;		/* owned; -1 */
	uint32_t send_sequence, receive_sequence;
};

struct tcp_end tcp_end_take(const struct record *record);

/* Two saved ends. Both descriptors are made, or none. */
int tcp_pair_restore(struct restore *rs, struct tcp_end *a, struct tcp_end *b, struct err *err);
/* One end; the other one was closed, or is not there. */
int tcp_single_restore(struct restore *rs, struct tcp_end *end, struct err *err);
/* One end, connected to a listening socket. */
int tcp_waiting_restore(struct restore *rs, struct tcp_end *end, struct err *err);
