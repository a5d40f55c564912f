/* TCP connections that lead out of the container. See tcp_outside.h. */
#include "kind/support/tcp_outside.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/netlink.h"
#include "kind/support/namespaces.h"
#include "kind/support/net.h"
#include "kind/support/tcp_table.h"

enum { END_TIMEOUT = 20000 }; /* milliseconds; the loopback device needs none of them */

/* ---- addresses ---- */

static bool is_v4(const struct tcp_place *place)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)place->address);
}

static bool view_has(const struct net_view *view, const struct tcp_place *place)
{
	const struct net_address_rec *rec = view->rec;
	size_t start = is_v4(place) ? 12 : 0;
	uint16_t type = is_v4(place) ? IFA_LOCAL : IFA_ADDRESS;
	const void *address;
	size_t size;

	if (rec->family != (is_v4(place) ? AF_INET : AF_INET6))
		return false;
	address = net_attribute_find(view->attributes, view->size, type, &size);
	return address && size == 16 - start && memcmp(address, place->address + start, size) == 0;
}

bool tcp_has_address(const struct image *image, const struct inet_address_rec *local)
{
	struct tcp_place place = tcp_place_of(local);
	const struct record *record = NULL;

	while ((record = image_next(image, TAG('N', 'N', 'E', 'T'), record))) {
		struct reader reader = reader_of(record->body, record->length);
		struct net_view view;

		if (namespace_find(image, record->id) || record->length == 0)
			continue;
		while (net_next(&reader, NET_ADDRESS_ITEM, &view)) {
			if (view_has(&view, &place))
				return true;
		}
	}
	return false;
}

/* Makes an address this namespace's own, or no more. */
static int order_route(struct netlink *netlink, uint16_t type, const struct tcp_place *place)
{
	auto_netlink_message struct netlink_message message = NETLINK_MESSAGE_NONE;
	size_t start = is_v4(place) ? 12 : 0;
	struct rtmsg header = {
		.rtm_family = is_v4(place) ? AF_INET : AF_INET6,
		.rtm_dst_len = is_v4(place) ? 32 : 128,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = is_v4(place) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_LOCAL,
	};

	netlink_begin(&message, type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0, &header,
		      sizeof(header));
	netlink_put(&message, RTA_DST, place->address + start, 16 - start);
	netlink_put_u32(&message, RTA_OIF, if_nametoindex("lo"));
	return netlink_order(netlink, &message);
}

/* The addresses of both ends of all connections, for a while. */
struct borrowed {
	struct netlink *netlink;
	struct tcp_place *places; /* owned: those that were not there before */
	size_t count;
};

static int borrow_address(struct borrowed *borrowed, const struct inet_address_rec *address,
			  struct err *err)
{
	struct tcp_place place = tcp_place_of(address);
	int r = order_route(borrowed->netlink, RTM_NEWROUTE, &place);

	if (r == -EEXIST)
		return 0;
	if (r < 0)
		return err_set(err, r, "take the address of %s", inet_address_print(address).text);
	array_grow(borrowed->places, borrowed->count);
	borrowed->places[borrowed->count++] = place;
	return 0;
}

static int borrow(const struct tcp_end *ends, size_t count, struct borrowed *borrowed,
		  struct err *err)
{
	int r = netlink_open(NETLINK_ROUTE, &borrowed->netlink);

	if (r < 0)
		return err_set(err, r, "open a netlink socket");
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = borrow_address(borrowed, &ends[i].local, err);
		if (r == 0)
			r = borrow_address(borrowed, &ends[i].peer, err);
	}
	return r;
}

static void give_back(struct borrowed *borrowed)
{
	while (borrowed->count > 0)
		(void)order_route(borrowed->netlink, RTM_DELROUTE,
				  &borrowed->places[--borrowed->count]);
	netlink_free(borrowed->netlink);
	free(borrowed->places);
	*borrowed = (struct borrowed){ .netlink = NULL };
}

/* ---- the connection ---- */

static int select_send_queue(int fd, struct err *err)
{
	int queue = TCP_SEND_QUEUE;

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0)
		return err_set(err, -errno, "select a send queue");
	return 0;
}

/* In repair mode, with what was received. */
static int make(struct restore *rs, struct tcp_end *end, struct err *err)
{
	uint32_t received = le32_get(end->rec->received);
	uint32_t timestamp = le32_get(end->outside->timestamp);
	bool has_ended = le32_get(end->rec->flags) & TCP_PEER_ENDED;
	int r;

	end->is_foreign = true;
	end->send_sequence = le32_get(end->outside->send_sequence);
	end->receive_sequence = le32_get(end->outside->receive_sequence) - received - has_ended;
	r = tcp_end_join(rs, end, err);
	if (r == 0)
		r = tcp_end_connect(end, end->peer.port, err);
	if (r == 0)
		r = tcp_end_agree(end, le32_get(end->outside->segment),
				  le32_get(end->rec->receive_scale), err);
	if (r < 0)
		return r;
	if (setsockopt(end->fd, IPPROTO_TCP, TCP_TIMESTAMP, &timestamp, sizeof(timestamp)) < 0)
		return err_set(err, -errno, "set the timestamp of a connection");
	if (tcp_end_fill(end) != received)
		return err_set(err, ERR_FAILED, "%u bytes do not fit into a receive queue",
			       received);
	return 0;
}

/* A socket in the place of the other end, which has just the end of the stream to send. */
static int send_end(struct restore *rs, const struct tcp_end *end, struct tcp_end *peer,
		    struct err *err)
{
	struct pollfd state = { .fd = end->fd, .events = POLLRDHUP };
	struct tcp_repair_window window = { .snd_wl1 = end->send_sequence,
					    .snd_wnd = 1,
					    .max_window = 1,
					    .rcv_wnd = UINT16_MAX,
					    .rcv_wup = end->send_sequence };
	int now = 1;
	int r;

	peer->send_sequence = le32_get(end->outside->receive_sequence) - 1;
	peer->receive_sequence = end->send_sequence;
	r = tcp_end_join(rs, peer, err);
	if (r == 0)
		r = tcp_end_connect(peer, end->local.port, err);
	if (r < 0)
		return r;
	/* Else it would have to ask first whether there is room. */
	if (setsockopt(peer->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)) < 0)
		return err_set(err, -errno, "set the windows of a connection");
	r = tcp_repair(peer->fd, TCP_REPAIR_OFF_NO_WP, err);
	if (r < 0)
		return r;
	if (shutdown(peer->fd, SHUT_WR) < 0)
		return err_set(err, -errno, "end a stream");
	if (poll(&state, 1, END_TIMEOUT) != 1)
		return err_set(err, ERR_FAILED, "the end of a stream does not arrive");
	/* Confirmed later, it would be to somebody who is not there any more, and says so. */
	if (setsockopt(end->fd, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof(now)) < 0)
		return err_set(err, -errno, "confirm the end of a stream");
	return 0;
}

/* What was sent is in the queue again, and is not sent but after its time. */
static int fill_sent(const struct tcp_end *end, struct err *err)
{
	const struct tcp_outside_rec *outside = end->outside;
	struct tcp_repair_window window = {
		.snd_wl1 = le32_get(outside->window_sequence),
		.snd_wnd = le32_get(outside->send_window),
		.max_window = le32_get(outside->largest_window),
		.rcv_wnd = le32_get(outside->receive_window),
		.rcv_wup = le32_get(outside->receive_update),
	};
	uint32_t sent = le32_get(outside->sent);
	int r = select_send_queue(end->fd, err);

	if (r == 0)
		r = tcp_end_send(end, end->unsent, sent, err);
	if (r == 0 &&
	    setsockopt(end->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)) < 0)
		return err_set(err, -errno, "set the windows of a connection");
	if (r == 0 && sent == le32_get(end->rec->unsent))
		r = tcp_end_shut(end, err);
	return r;
}

/* Until here nothing was said to anybody. */
static int go_on(struct restore *rs, const struct tcp_end *end, struct err *err)
{
	uint32_t sent = le32_get(end->outside->sent);
	uint32_t rest = le32_get(end->rec->unsent) - sent;
	int r = fill_sent(end, err);

	if (r == 0)
		r = tcp_repair(end->fd, 0, err);
	if (r == 0 && rest > 0)
		r = tcp_end_send(end, end->unsent + sent, rest, err);
	if (r == 0 && rest > 0)
		r = tcp_end_shut(end, err);
	return r < 0 ? r : tcp_end_finish(rs, end, err);
}

/* What a socket in repair mode is closed by says nothing. */
static void drop_silently(struct tcp_end *end)
{
	struct err ignored;

	if (end->fd >= 0)
		(void)tcp_repair(end->fd, 1, &ignored);
	drop_fd(&end->fd);
}

/* `peers` has the places of those that must be there until the addresses are not. */
static int make_all(struct restore *rs, struct tcp_end *ends, struct tcp_end *peers, size_t count,
		    struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < count; i++)
		peers[i] = (struct tcp_end){ .common = ends[i].common,
					     .local = ends[i].peer,
					     .peer = ends[i].local,
					     .fd = -1,
					     .is_foreign = true };
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = make(rs, &ends[i], err);
		if (r == 0 && le32_get(ends[i].rec->flags) & TCP_PEER_ENDED)
			r = send_end(rs, &ends[i], &peers[i], err);
	}
	return r;
}

int tcp_outside_restore(struct restore *rs, struct tcp_end *ends, size_t count, struct err *err)
{
	struct borrowed borrowed = { .netlink = NULL };
	auto_free struct tcp_end *peers = mem_alloc(count, sizeof(*peers));
	int r = borrow(ends, count, &borrowed, err);

	if (r == 0)
		r = make_all(rs, ends, peers, count, err);
	else
		count = 0;
	/* A confirmation that finds its socket closed would be answered. */
	give_back(&borrowed);
	for (size_t i = 0; i < count; i++)
		drop_silently(&peers[i]);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = go_on(rs, &ends[i], err);
	for (size_t i = 0; r < 0 && i < count; i++)
		drop_silently(&ends[i]);
	return r;
}

int tcp_cut_restore(struct restore *rs, struct tcp_end *end, struct err *err)
{
	struct tcp_connection_rec cut = *end->rec;
	struct tcp_end closed = *end;
	int r;

	cut.form = le32_make(TCP_FORM_CUT);
	cut.flags = le32_make(le32_get(cut.flags) & ~TCP_PEER_ENDED);
	closed.rec = &cut;
	r = tcp_single_restore(rs, &closed, err);
	end->fd = closed.fd;
	return r;
}
