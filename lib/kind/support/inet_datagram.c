/* What UDP, ping and raw sockets share. See inet_datagram.h. */
#include "kind/support/inet_datagram.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/inet_groups.h"
#include "kind/support/tcp_table.h"

/* One that was shut down for writing only does not show it. */
static uint32_t find_flags(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLRDHUP };

	if (poll(&state, 1, 0) <= 0 || !(state.revents & POLLRDHUP))
		return 0;
	return state.revents & POLLHUP ? DATAGRAM_SHUT_READ | DATAGRAM_SHUT_WRITE
				       : DATAGRAM_SHUT_READ;
}

/* A peer without a port, as ping and raw sockets have, is not told by getpeername(2). */
static void find_peer(const struct dump *d, struct inet_address_rec *peer)
{
	static const char *const paths[] = { "net/raw", "net/raw6", "net/icmp", "net/icmp6" };
	struct tcp_table table = TCP_TABLE_NONE;
	bool is_v4 = socket_number(d->fd->fd, SO_DOMAIN) == AF_INET;

	for (size_t i = 0; i < 4; i++)
		(void)tcp_table_read(&table, d, paths[i]);
	for (size_t i = 0; i < table.count; i++) {
		const struct tcp_line *line = &table.lines[i];

		if (line->inode != d->fd->stat.st_ino || line->state != TCP_ESTABLISHED)
			continue;
		peer->family = le16_make(is_v4 ? AF_INET : AF_INET6);
		peer->port = le16_make(line->peer.port);
		memcpy(peer->address, line->peer.address + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
	}
	free(table.lines);
}

bool datagram_save(struct dump *d, const struct socket_option *options, struct buf *body)
{
	struct datagram_socket_rec rec = {
		.local = inet_local(d->fd->fd),
		.peer = inet_peer(d->fd->fd),
		.flags = le32_make(find_flags(d->fd->fd)),
	};
	auto_buf struct buf groups = BUF_EMPTY;
	uint32_t count;

	if (inet_address_is_none(&rec.peer) && socket_number(d->fd->fd, SO_PROTOCOL) != IPPROTO_UDP)
		find_peer(d, &rec.peer);
	if (!socket_save(d, options, body) || !inet_groups_save(d, &groups, &count))
		return false;
	rec.groups = le32_make(count);
	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, groups.data, groups.size);
	return true;
}

bool datagram_block_queue(struct dump *d, const char *what)
{
	struct pollfd state = { .fd = d->fd->fd, .events = POLLIN };

	if (poll(&state, 1, 0) <= 0 || !(state.revents & POLLIN))
		return false;
	(void)dump_block(d, "let the program read them", "%s in the queue of a socket", what);
	dump_block_is_momentary(d);
	return true;
}

int datagram_check(struct reader *reader, const struct socket_option *options, uint32_t type,
		   int protocol, struct err *err)
{
	const struct datagram_socket_rec *rec;
	const struct socket_rec *common;
	uint32_t family;
	int r = socket_check(reader, options, &common, err);

	if (r == 0)
		r = inet_check(common, type,
			       protocol < 0 ? le32_get(common->protocol) : (uint32_t)protocol, err);
	if (r < 0)
		return r;
	family = le32_get(common->family);
	rec = reader_take(reader, sizeof(*rec));
	if (!rec || le32_get(rec->flags) & ~DATAGRAM_FLAGS || le32_get(common->protocol) > 255)
		return err_set(err, ERR_DAMAGED, "socket: unknown bits");
	if (!inet_address_is_valid(&rec->local, family) ||
	    !inet_address_is_valid(&rec->peer, family))
		return err_set(err, ERR_DAMAGED, "socket: impossible address");
	return inet_groups_check(reader, le32_get(rec->groups), err);
}

static int connect_to(int fd, const struct inet_address_rec *peer, struct err *err)
{
	union inet_address address;
	socklen_t size;

	if (inet_address_is_none(peer))
		return 0;
	size = inet_address_load(peer, &address);
	if (connect(fd, &address.any, size) == 0)
		return 0;
	if (err_set(err, -errno, "connect to %s", inet_address_print(peer).text) == -ENETUNREACH)
		(void)err_hint(err, "the container's new network has no route to it");
	return err->code;
}

static void shut(int fd, uint32_t flags)
{
	/* Of a socket without a peer, it fails and does it all the same. */
	if (flags & DATAGRAM_SHUT_READ)
		(void)shutdown(fd, SHUT_RD);
	if (flags & DATAGRAM_SHUT_WRITE)
		(void)shutdown(fd, SHUT_WR);
}

int datagram_restore(struct restore *rs, struct reader *reader, const struct socket_option *options,
		     int fd, struct err *err)
{
	const struct socket_rec *common = socket_take(reader);
	const struct datagram_socket_rec *rec = reader_take(reader, sizeof(*rec));
	const struct inet_group_rec *groups =
	    reader_take(reader, le32_get(rec->groups) * sizeof(*groups));
	int r = socket_restore_early(rs, fd, common, options, err);

	if (r == 0 && !inet_address_is_unbound(&rec->local))
		r = inet_bind(fd, &rec->local, err);
	if (r == 0)
		r = connect_to(fd, &rec->peer, err);
	if (r == 0)
		r = inet_groups_restore(fd, groups, le32_get(rec->groups), err);
	if (r < 0)
		return r;
	shut(fd, le32_get(rec->flags));
	return socket_restore_options(rs, fd, common, options, err);
}
