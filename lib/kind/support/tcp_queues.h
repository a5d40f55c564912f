/* All TCP connections of a container at once: who is at the other end, what is in the queues.
 *
 * What was sent and not confirmed can be read in repair mode only. A socket is in it for the time
 * of a few calls, made by a process of their own: should we be killed, that one takes the socket
 * out again. First all send queues are read, then all receive queues: whatever the network moves
 * meanwhile is then in the first copy, and the sequence numbers tell what of it is in the second.
 */
#pragma once

#include <netinet/tcp.h>

#include "kind/support/tcp_hold.h"
#include "kind/support/tcp_table.h"

/* Of a connection that leads out of the container: where it is in its streams of bytes. */
struct tcp_progress {
	uint32_t send_sequence;	   /* of the first byte that the other end did not confirm */
	uint32_t receive_sequence; /* of the next byte to be received */
	uint32_t sent;		   /* bytes that were sent, and not confirmed */
	uint32_t timestamp;	   /* as the next segment would have it */
	int segment;		   /* the largest that the other end takes */
	struct tcp_repair_window window;
};

struct tcp_queues {
	const struct target_fd *file; /* borrowed */
	struct inet_address_rec peer; /* also while the connection is being made */
	struct tcp_queues *mate;      /* the other end, if the container has a descriptor of it */
	const struct tcp_line
	    *other;	/* the other end's line; NULL: none of the container's networks has one */
	char *received; /* owned */
	size_t received_size;
	char *unsent; /* owned: what the other end has not received yet */
	size_t unsent_size;
	bool is_dumped;
	bool is_kept;		      /* it leads outside, and is held */
	size_t held;		      /* then: its index in the hold */
	const char *fault;	      /* why it cannot be; NULL: it can */
	struct tcp_progress progress; /* then */
	int error;		      /* it could not be read: a negative errno */
};

struct tcp_snapshot {
	struct tcp_table table;
	struct tcp_queues *queues; /* owned; in the order of files */
	size_t count;
	struct tcp_hold *hold; /* owned; of those that lead outside and are kept; NULL: none */
};

/* Takes it when it is called first. */
int tcp_snapshot_get(struct dump *d, struct tcp_snapshot **ret_snapshot, struct err *err);
/* Fills in the bytes of all queues, or why they can't be read. */
int tcp_queues_copy(struct tcp_snapshot *snapshot, struct err *err);
struct tcp_queues *tcp_snapshot_find(const struct tcp_snapshot *snapshot, uint32_t file);
/* Is the thread at the cursor in a connect(2) that only has to return? Restored, the call would
 * find a socket that is connected already, and fail. */
bool tcp_connect_is_done(const struct dump *d);
void tcp_snapshot_free(struct tcp_snapshot *snapshot);
