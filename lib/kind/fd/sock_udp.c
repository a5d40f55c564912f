/* UDP sockets, and the datagrams in their queues. */
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/grant.h"
#include "kind/support/inet_datagram.h"
#include "kind/support/inet_groups.h"
#include "kind/support/udp_queue.h"

extern const struct kind kind_sock_udp;

/* The record is a socket, what datagram_save() appends, this, and the datagrams. */
RECORDS_BEGIN
struct udp_rec {
	le32 count; /* of datagrams */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct udp_rec) == 8, "image format");

static bool sock_udp_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_INET, SOCK_DGRAM, IPPROTO_UDP) ||
	       socket_is(fd, AF_INET6, SOCK_DGRAM, IPPROTO_UDP);
}

static int udp_number(int fd, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, IPPROTO_UDP, name, &value, &size) < 0 ? 0 : value;
}

static bool has_input(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };

	return poll(&state, 1, 0) > 0 && state.revents & POLLIN;
}

static bool block_odd(struct dump *d)
{
	int fd = d->fd->fd;
	int unsent = 0;

	if (udp_number(fd, UDP_ENCAP) != 0) {
		(void)dump_block(d, NULL, "UDP that carries another protocol is not supported");
		return true;
	}
	if (udp_number(fd, UDP_CORK) != 0 || (ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent > 0))
		(void)dump_block(d, "let the program send it",
				 "a UDP socket with a datagram that is not whole yet");
	else if (udp_number(fd, UDP_GRO) != 0 && has_input(fd))
		(void)dump_block(d, "let the program read them",
				 "a UDP socket with datagrams that may be joined (UDP_GRO)");
	else
		return false;
	dump_block_is_momentary(d);
	return true;
}

static int sock_udp_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	auto_buf struct buf queue = BUF_EMPTY;
	struct udp_rec rec = { .count = le32_make(0) };
	uint32_t count = 0;
	int r = 0;

	(void)err;
	if (block_odd(d) || !datagram_save(d, inet_udp_options, &body))
		return 0;
	if (has_input(d->fd->fd))
		r = udp_queue_save(d->fd->fd, &queue, &count);
	if (r < 0)
		return dump_block(d, NULL, "the datagrams of a UDP socket can't be read: %s",
				  strerror(-r));
	rec.count = le32_make(count);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, queue.data, queue.size);
	dump_record(d, d->fd->id, &kind_sock_udp, body.data, body.size);
	return 0;
}

static int sock_udp_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct udp_rec *rec;
	int r = datagram_check(&reader, inet_udp_options, SOCK_DGRAM, IPPROTO_UDP, err);

	if (r < 0)
		return r;
	rec = reader_take(&reader, sizeof(*rec));
	if (!rec || le32_get(rec->reserved) != 0 || le32_get(rec->count) > UDP_QUEUE_MAX)
		return err_set(err, ERR_DAMAGED, "sock_udp: unknown bits");
	r = udp_queue_check(&reader, le32_get(rec->count), err);
	if (r == 0 && reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_udp: %zu bytes", length);
	return r;
}

static const struct udp_rec *udp_take(struct reader *reader)
{
	const struct datagram_socket_rec *rec;

	(void)socket_take(reader);
	rec = reader_take(reader, sizeof(*rec));
	(void)reader_take(reader, le32_get(rec->groups) * sizeof(struct inet_group_rec));
	return reader_take(reader, sizeof(struct udp_rec));
}

static bool sock_udp_grant(const struct image *image, const struct record *record,
			   struct grant_look *ret_look)
{
	struct reader reader = reader_of(record->body, record->length);

	(void)image;
	*ret_look = grant_look_socket(record);
	ret_look->is_unread = le32_get(udp_take(&reader)->count) > 0;
	return true;
}

/* The queue first: once the socket has its address, others may answer to it as well. */
static int fill(struct restore *rs, const struct record *record, int fd, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	int room = socket_saved_number(record->body, SO_RCVBUF, 0) / 2;
	const struct udp_rec *queue = udp_take(&reader);

	if (le32_get(queue->count) == 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	return udp_queue_restore(rs, fd, &reader, le32_get(queue->count), err);
}

static int sock_udp_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	auto_close int fd = -1;
	int r;

	r = socket_make(record->body, &fd, err);
	if (r == 0)
		r = fill(rs, record, fd, err);
	if (r == 0)
		r = datagram_restore(rs, &reader, inet_udp_options, fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_udp = {
	.name = "sock_udp",
	.summary = "UDP sockets and their datagrams",
	.tag = TAG('S', 'U', 'D', 'P'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_udp_match,
	.dump = sock_udp_dump,
	.check = sock_udp_check,
	.ask = inet_ask,
	.grant = sock_udp_grant,
	.restore = sock_udp_restore,
};
