/* TCP connections made anew. See tcp_pair.h. */
#include "kind/support/tcp_pair.h"

#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/namespaces.h"

/* Options of a segment, RFC 9293 and RFC 7323. */
enum { OPTION_SEGMENT = 2, OPTION_SCALE = 3, OPTION_SACK = 4, OPTION_TIMESTAMPS = 8 };

enum { CONNECTION_TIMEOUT = 10000 }; /* ms; also until there is room to send */

struct tcp_end tcp_end_take(const struct record *record)
{
	struct reader reader = reader_of(record->body, record->length);
	struct tcp_end end = { .common = socket_take(&reader), .fd = -1 };

	end.rec = reader_take(&reader, sizeof(*end.rec));
	if (le32_get(end.rec->form) == TCP_FORM_OUTSIDE)
		end.outside = reader_take(&reader, sizeof(*end.outside));
	end.local = end.rec->local;
	end.peer = end.rec->peer;
	end.received = reader_take(&reader, le32_get(end.rec->received));
	end.unsent = reader_take(&reader, le32_get(end.rec->unsent));
	return end;
}

static void close_both(struct tcp_end *a, struct tcp_end *b)
{
	drop_fd(&a->fd);
	drop_fd(&b->fd);
}

/* ---- joining ---- */

static int set_sequence(int fd, int queue, uint32_t sequence, struct err *err)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence, sizeof(sequence)) < 0)
		return err_set(err, -errno, "set a sequence number");
	return 0;
}

int tcp_end_agree(const struct tcp_end *end, uint32_t segment, uint32_t receive_scale,
		  struct err *err)
{
	uint32_t flags = le32_get(end->rec->flags);
	struct tcp_repair_opt options[4] = {
		{ OPTION_SEGMENT, segment },
	};
	socklen_t count = 1;

	if (flags & TCP_SCALE)
		options[count++] = (struct tcp_repair_opt){
			OPTION_SCALE,
			le32_get(end->rec->send_scale) | receive_scale << 16,
		};
	if (flags & TCP_SACK)
		options[count++].opt_code = OPTION_SACK;
	if (flags & TCP_TIMESTAMPS)
		options[count++].opt_code = OPTION_TIMESTAMPS;
	if (setsockopt(end->fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options,
		       count * (socklen_t)sizeof(options[0])) < 0)
		return err_set(err, -errno, "set what a connection has agreed on");
	return 0;
}

static int allow_foreign(const struct tcp_end *end, struct err *err)
{
	bool is_v6 = le32_get(end->common->family) == AF_INET6;
	int one = 1;

	if (setsockopt(end->fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       is_v6 ? IPV6_FREEBIND : IP_FREEBIND, &one, sizeof(one)) < 0)
		return err_set(err, -errno, "bind to an address that is not there");
	return 0;
}

/* Without a packet: in repair mode, a connection is there at once. */
int tcp_end_join(struct restore *rs, struct tcp_end *end, struct err *err)
{
	int r = tcp_make(rs, end->common, inet_connection_options, end->room, &end->fd, err);

	if (r == 0)
		r = tcp_repair(end->fd, 1, err);
	if (r == 0)
		r = set_sequence(end->fd, TCP_RECV_QUEUE, end->receive_sequence, err);
	if (r == 0)
		r = set_sequence(end->fd, TCP_SEND_QUEUE, end->send_sequence, err);
	if (r == 0 && end->is_foreign)
		r = allow_foreign(end, err);
	if (r == 0)
		r = inet_bind(end->fd, &end->local, err);
	/* A dead one may have lost its port. */
	end->local = inet_local(end->fd);
	return r;
}

/* The two may be in different network namespaces. */
static int join_at_home(struct restore *rs, struct tcp_end *end, const struct tcp_end *mate,
			struct err *err)
{
	int r = end->netns == mate->netns
		    ? 0
		    : restore_enter_namespace(rs, NAMESPACE_NET, end->netns, err);

	return r < 0 ? r : tcp_end_join(rs, end, err);
}

int tcp_end_connect(const struct tcp_end *end, le16 port, struct err *err)
{
	struct inet_address_rec peer = end->peer;
	union inet_address address;
	socklen_t size;

	peer.port = port;
	size = inet_address_load(&peer, &address);
	if (connect(end->fd, &address.any, size) < 0)
		return err_set(err, -errno, "connect to %s", inet_address_print(&peer).text);
	return 0;
}

static int join_to(const struct tcp_end *end, const struct tcp_end *mate, struct err *err)
{
	int r = tcp_end_connect(end, mate->local.port, err);

	return r < 0 ? r
		     : tcp_end_agree(end, le32_get(mate->rec->segment),
				     le32_get(mate->rec->send_scale), err);
}

/* Puts bytes into the receive queue, as if they had come. Returns how many it takes. */
uint32_t tcp_end_fill(const struct tcp_end *end)
{
	static const int queue = TCP_RECV_QUEUE;
	uint32_t size = le32_get(end->rec->received);
	uint32_t done = 0;

	if (size > 0 &&
	    setsockopt(end->fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0)
		return 0;
	while (done < size) {
		size_t piece = size - done < 32768 ? size - done : 32768;
		ssize_t n = send(end->fd, end->received + done, piece, MSG_DONTWAIT);

		if (n <= 0)
			break;
		done += (uint32_t)n;
	}
	return done;
}

/* Joins both, and is then in the namespace of `a`, with receive queues of these many bytes; tells
 * how many there was room for. */
static int join_both(struct restore *rs, struct tcp_end *a, struct tcp_end *b, uint32_t fills[2],
		     struct err *err)
{
	uint32_t starts[2];
	int r;

	/* What finds no place in the other's receive queue waits here, and a queue has an overhead.
	 */
	a->room = le32_get(a->rec->unsent) + 2 * le32_get(b->rec->received);
	b->room = le32_get(b->rec->unsent) + 2 * le32_get(a->rec->received);
	if (getrandom(starts, sizeof(starts), 0) != sizeof(starts))
		return err_set(err, -errno, "get random bytes");
	a->receive_sequence = starts[0];
	a->send_sequence = starts[1];
	b->receive_sequence = starts[1] - fills[1];
	b->send_sequence = starts[0] + fills[0];
	r = join_at_home(rs, b, a, err);
	if (r == 0)
		r = join_at_home(rs, a, b, err);
	if (r == 0)
		r = join_to(a, b, err);
	if (r == 0)
		r = join_to(b, a, err);
	if (r < 0)
		return r;
	fills[0] = tcp_end_fill(a);
	fills[1] = tcp_end_fill(b);
	return 0;
}

/* What finds no room in a receive queue is sent by the other end, which has its sequence number
 * before it is known: so a second attempt is made with what is known then. */
static int join_and_fill(struct restore *rs, struct tcp_end *a, struct tcp_end *b,
			 uint32_t fills[2], struct err *err)
{
	for (;;) {
		uint32_t wanted[2] = { fills[0], fills[1] };
		int r = join_both(rs, a, b, fills, err);

		if (r < 0 || (fills[0] >= wanted[0] && fills[1] >= wanted[1]))
			return r;
		fills[0] = fills[0] < wanted[0] ? fills[0] / 2 : wanted[0];
		fills[1] = fills[1] < wanted[1] ? fills[1] / 2 : wanted[1];
		close_both(a, b);
	}
}

/* ---- what comes after ---- */

/* There is room again when the other end has confirmed what it has got: soon, but on a busy machine
 * not at once. */
int tcp_end_send(const struct tcp_end *end, const char *bytes, uint32_t size, struct err *err)
{
	struct pollfd room = { end->fd, POLLOUT, 0 };

	for (uint32_t done = 0; done < size;) {
		ssize_t n = send(end->fd, bytes + done, size - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && poll(&room, 1, CONNECTION_TIMEOUT) > 0)
			continue;
		if (n < 0)
			return err_set(err, -errno, "put %u bytes into a send queue", size - done);
		done += (uint32_t)n;
	}
	return 0;
}

int tcp_end_shut(const struct tcp_end *end, struct err *err)
{
	uint32_t flags = le32_get(end->rec->flags);

	if ((flags & TCP_SHUT_WRITE && shutdown(end->fd, SHUT_WR) < 0) ||
	    (flags & TCP_SHUT_READ && shutdown(end->fd, SHUT_RD) < 0))
		return err_set(err, -errno, "shut a connection down");
	return 0;
}

int tcp_end_finish(struct restore *rs, const struct tcp_end *end, struct err *err)
{
	return socket_restore_options(rs, end->fd, end->common, inet_connection_options, err);
}

static int pair_restore(struct restore *rs, struct tcp_end *a, struct tcp_end *b, struct err *err)
{
	uint32_t wanted[2] = { le32_get(a->rec->received), le32_get(b->rec->received) };
	uint32_t fills[2] = { wanted[0], wanted[1] };
	int r = join_and_fill(rs, a, b, fills, err);

	if (r == 0)
		r = tcp_repair(a->fd, 0, err);
	if (r == 0)
		r = tcp_repair(b->fd, 0, err);
	if (r == 0)
		r = tcp_end_send(b, a->received + fills[0], wanted[0] - fills[0], err);
	if (r == 0)
		r = tcp_end_send(b, b->unsent, le32_get(b->rec->unsent), err);
	if (r == 0)
		r = tcp_end_send(a, b->received + fills[1], wanted[1] - fills[1], err);
	if (r == 0)
		r = tcp_end_send(a, a->unsent, le32_get(a->rec->unsent), err);
	if (r == 0)
		r = tcp_end_shut(a, err);
	if (r == 0)
		r = tcp_end_shut(b, err);
	if (r == 0)
		r = tcp_end_finish(rs, a, err);
	return r < 0 ? r : tcp_end_finish(rs, b, err);
}

int tcp_pair_restore(struct restore *rs, struct tcp_end *a, struct tcp_end *b, struct err *err)
{
	int r = pair_restore(rs, a, b, err);

	if (r < 0)
		close_both(a, b);
	return r;
}

/* ---- connections with one end ---- */

/* The same address, and ports that nobody uses. The one of `end` may be known. */
static int choose_peer(struct tcp_end *end, struct err *err)
{
	auto_close int probe = -1;
	int r;

	r = socket_make(end->common, &probe, err);
	if (r < 0)
		return r;
	end->peer = end->local;
	end->peer.port = le16_make(0);
	r = inet_bind(probe, &end->peer, err);
	end->peer = inet_local(probe);
	return r;
}

/* Is it an address of the network namespace that we are in? */
static bool has_address(const struct tcp_end *end)
{
	struct inet_address_rec address = end->local;
	auto_close int probe = -1;
	struct err ignored;

	address.port = le16_make(0);
	return socket_make(end->common, &probe, &ignored) == 0 &&
	       inet_bind(probe, &address, &ignored) == 0;
}

/* The other end may have been in another network namespace: in one that has its address. */
static int find_home(struct restore *rs, const struct tcp_end *end, struct tcp_end *mate,
		     struct err *err)
{
	const struct record *record = image_next(rs->image, TAG_NAMESPACE, NULL);
	uint32_t netns = 0;
	int r = 0;

	mate->netns = end->netns;
	if (!record || has_address(mate))
		return 0;
	do {
		r = restore_enter_namespace(rs, NAMESPACE_NET, netns, err);
		if (r < 0)
			return r;
		if (has_address(mate)) {
			mate->netns = netns;
			break;
		}
		while (record &&
		       le32_get(namespace_find(rs->image, record->id)->type) != NAMESPACE_NET)
			record = image_next(rs->image, TAG_NAMESPACE, record);
		netns = record ? record->id : 0;
		record = record ? image_next(rs->image, TAG_NAMESPACE, record) : NULL;
	} while (netns);
	return restore_enter_namespace(rs, NAMESPACE_NET, end->netns, err);
}

/* The address of what led outside may not be there any more. */
static void move_inside(struct restore *rs, struct tcp_end *end)
{
	struct in6_addr address = in6addr_loopback;
	bool is_v6 = le32_get(end->common->family) == AF_INET6;

	restore_note(rs, "the TCP connection with %s, outside of the container, is closed",
		     inet_address_print(&end->peer).text);
	end->local = (struct inet_address_rec){ .family = end->local.family };
	end->peer = (struct inet_address_rec){ .family = le16_make(0) };
	if (is_v6)
		memcpy(end->local.address, &address, sizeof(address));
	else
		memcpy(end->local.address, (const unsigned char[]){ 127, 0, 0, 1 }, 4);
}

/* The other end goes: by the end of the stream, or without a word. */
static int let_mate_go(const struct tcp_end *end, struct tcp_end *mate, struct err *err)
{
	uint32_t form = le32_get(end->rec->form);
	int r = 0;

	if (form == TCP_FORM_LOST)
		r = tcp_repair(mate->fd, 1, err);
	drop_fd(&mate->fd);
	if (r == 0 && (form == TCP_FORM_DEAD || form == TCP_FORM_CUT))
		(void)shutdown(end->fd, SHUT_RDWR);
	return r;
}

/* Nobody takes it: it is answered by a reset, as it would have been. */
static void send_rest(const struct tcp_end *end)
{
	struct err ignored;

	if (le32_get(end->rec->form) == TCP_FORM_LOST ||
	    le32_get(end->rec->form) == TCP_FORM_WIDOWED)
		(void)tcp_end_send(end, end->unsent, le32_get(end->rec->unsent), &ignored);
}

static int single_restore(struct restore *rs, struct tcp_end *end, struct tcp_end *mate,
			  struct err *err)
{
	uint32_t wanted = le32_get(end->rec->received);
	uint32_t fills[2] = { wanted, 0 };
	int r = 0;

	if (le32_get(end->rec->form) == TCP_FORM_CUT)
		move_inside(rs, end);
	if (inet_address_is_none(&end->peer))
		r = choose_peer(end, err);
	mate->local = end->peer;
	mate->peer = end->local;
	if (r == 0)
		r = find_home(rs, end, mate, err);
	if (r == 0)
		r = join_and_fill(rs, end, mate, fills, err);
	if (r == 0)
		r = tcp_repair(end->fd, 0, err);
	if (r == 0)
		r = tcp_repair(mate->fd, 0, err);
	if (r == 0)
		r = tcp_end_send(mate, end->received + fills[0], wanted - fills[0], err);
	if (r == 0)
		r = tcp_end_shut(end, err);
	if (r == 0)
		r = let_mate_go(end, mate, err);
	if (r < 0)
		return r;
	send_rest(end);
	return tcp_end_finish(rs, end, err);
}

int tcp_single_restore(struct restore *rs, struct tcp_end *end, struct err *err)
{
	struct tcp_connection_rec empty = *end->rec;
	struct tcp_end mate = { .common = end->common, .rec = &empty, .fd = -1 };
	int r;

	empty.received = le32_make(0);
	r = single_restore(rs, end, &mate, err);
	if (r < 0)
		drop_fd(&end->fd);
	drop_fd(&mate.fd);
	return r;
}

/* Through another network namespace, packets take their time. The second call only tells that the
 * connection is there, as the program was told. */
static int await_connection(int fd, const union inet_address *address, socklen_t size)
{
	struct pollfd made = { .fd = fd, .events = POLLOUT };

	(void)poll(&made, 1, CONNECTION_TIMEOUT);
	return connect(fd, &address->any, size);
}

static int waiting_restore(struct restore *rs, struct tcp_end *end, struct err *err)
{
	union inet_address address;
	socklen_t size = inet_address_load(&end->rec->peer, &address);
	bool is_made = le32_get(end->rec->form) == TCP_FORM_WAITING;
	int r = tcp_make(rs, end->common, inet_connection_options, 0, &end->fd, err);

	if (r == 0)
		r = tcp_bind(end->fd, &end->rec->local, true, err);
	if (r < 0)
		return r;
	if (connect(end->fd, &address.any, size) < 0 && errno != EINPROGRESS)
		return err_set(err, -errno, "connect to %s",
			       inet_address_print(&end->rec->peer).text);
	if (is_made && await_connection(end->fd, &address, size) < 0)
		return err_set(err, -errno, "connect to %s",
			       inet_address_print(&end->rec->peer).text);
	r = tcp_end_send(end, end->unsent, le32_get(end->rec->unsent), err);
	if (r == 0)
		r = tcp_end_shut(end, err);
	return r < 0 ? r : tcp_end_finish(rs, end, err);
}

int tcp_waiting_restore(struct restore *rs, struct tcp_end *end, struct err *err)
{
	int r = waiting_restore(rs, end, err);

	if (r < 0)
		drop_fd(&end->fd);
	return r;
}
