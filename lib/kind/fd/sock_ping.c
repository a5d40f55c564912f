/* Ping sockets: ICMP and ICMPv6 without privilege. Their port is the identifier of the requests. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/inet_datagram.h"
#include "restore/open.h"

extern const struct kind kind_sock_ping;

/* The record is a socket, and what datagram_save() appends. */

static bool sock_ping_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_INET, SOCK_DGRAM, IPPROTO_ICMP) ||
	       socket_is(fd, AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
}

static int sock_ping_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	if (datagram_save(d, inet_options, &body) && !datagram_block_queue(d, "ICMP packets"))
		dump_record(d, d->fd->id, &kind_sock_ping, body.data, body.size);
	return 0;
}

static int sock_ping_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct socket_rec *common = body;
	int protocol = length >= sizeof(*common) && le32_get(common->family) == AF_INET
			   ? IPPROTO_ICMP
			   : IPPROTO_ICMPV6;
	int r = datagram_check(&reader, inet_options, SOCK_DGRAM, protocol, err);

	if (r == 0 && reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_ping: %zu bytes", length);
	return r;
}

/* Who may make one is a range of groups, which nobody is in at first. With one group mapped, it
 * can't be made empty again. */
static int make(struct restore *rs, const struct socket_rec *common, int *ret_fd, struct err *err)
{
	auto_close int range = -1;
	char own[32];
	int length;
	int r = socket_make(common, ret_fd, err);

	if (r != -EACCES)
		return r;
	range =
	    openat(restore_root(rs)->proc, "sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);
	length = snprintf(own, sizeof(own), "%u %u\n", getegid(), getegid());
	if (range < 0 || write(range, own, (size_t)length) != length)
		return r;
	*err = ERR_NONE;
	restore_note(rs, "group %u may make ping sockets (net.ipv4.ping_group_range)", getegid());
	return socket_make(common, ret_fd, err);
}

static int sock_ping_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	auto_close int fd = -1;
	int r;

	r = make(rs, record->body, &fd, err);
	if (r == 0)
		r = datagram_restore(rs, &reader, inet_options, fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_ping = {
	.name = "sock_ping",
	.summary = "ping sockets",
	.tag = TAG('P', 'I', 'N', 'G'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_ping_match,
	.dump = sock_ping_dump,
	.check = sock_ping_check,
	.restore = sock_ping_restore,
};
