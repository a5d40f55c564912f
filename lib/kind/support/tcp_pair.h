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
	TCP_FORM_OUTSIDE,    /* somebody outside of the container, who still has the connection */
	TCP_FORMS,
};

#define TCP_SHUT_WRITE 1u /* shutdown(2) of this end */
#define TCP_SHUT_READ  2u
#define TCP_TIMESTAMPS 4u /* options that both ends have agreed on */
#define TCP_SACK       8u
#define TCP_SCALE      16u
#define TCP_PEER_ENDED 32u /* outside: the end of the stream was received */
#define TCP_FLAGS      63u

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

/* Follows the struct of a connection that leads outside. */
RECORDS_BEGIN
struct tcp_outside_rec {
	le32 send_sequence;    /* of the first byte that was not confirmed */
	le32 receive_sequence; /* of the next byte to be received, behind the end of the stream */
	le32 sent;	       /* of the bytes that were not received: how many had been sent */
	le32 timestamp;	       /* of the next segment */
	le32 segment;	       /* the largest that the other end takes, bytes */
	le32 window_sequence;  /* of the segment that told of the window */
	le32 send_window;      /* bytes */
	le32 largest_window;   /* that the other end ever told of */
	le32 receive_window;
	le32 receive_update; /* the sequence at which the other end was told of it */
};
RECORDS_END
static_assert(sizeof(struct tcp_outside_rec) == 40, "image format");

/* A record taken apart. */
struct tcp_end {
	const struct socket_rec *common;
	const struct tcp_connection_rec *rec;
	const struct tcp_outside_rec *outside; /* NULL: it is not */
	struct inet_address_rec local, peer;
	const char *received;
	const char *unsent;
	uint32_t netns;	 /* its network namespace; 0: the container's own */
	bool is_foreign; /* its address need not be one of this network */
	uint32_t room;	 /* to send, in bytes, beyond what it had */
	int fd;		 /* owned; -1 */
	uint32_t send_sequence, receive_sequence;
};

struct tcp_end tcp_end_take(const struct record *record);

/* Steps of making one end, in this order: in repair mode, at its address, with its sequences; */
int tcp_end_join(struct restore *rs, struct tcp_end *end, struct err *err);
/* connected without a packet, to this port of its peer; */
int tcp_end_connect(const struct tcp_end *end, le16 port, struct err *err);
/* what both have agreed on; the other end takes such segments, and has such a scale; */
int tcp_end_agree(const struct tcp_end *end, uint32_t segment, uint32_t receive_scale,
		  struct err *err);
/* what it has received, as if it had come: returns how many bytes it takes; */
uint32_t tcp_end_fill(const struct tcp_end *end);
/* out of repair mode: what it has sent; then shutdown(2), and all options. */
int tcp_end_send(const struct tcp_end *end, const char *bytes, uint32_t size, struct err *err);
int tcp_end_shut(const struct tcp_end *end, struct err *err);
int tcp_end_finish(struct restore *rs, const struct tcp_end *end, struct err *err);

/* Two saved ends. Both descriptors are made, or none. */
int tcp_pair_restore(struct restore *rs, struct tcp_end *a, struct tcp_end *b, struct err *err);
/* One end; the other one was closed, or is not there. */
int tcp_single_restore(struct restore *rs, struct tcp_end *end, struct err *err);
/* One end, connected to a listening socket. */
int tcp_waiting_restore(struct restore *rs, struct tcp_end *end, struct err *err);
