/* TCP sockets without a connection: new, with an address, listening. */
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/tcp.h"

extern const struct kind kind_sock_tcp;

/* The record is a socket, and then this. */
RECORDS_BEGIN
struct tcp_rec {
	struct inet_address_rec local;
	le32 is_listening; /* 0 or 1 */
	le32 backlog;	   /* connections that may wait to be accepted */
};
RECORDS_END
static_assert(sizeof(struct tcp_rec) == 32, "image format");

static bool sock_tcp_match(const struct target_fd *fd)
{
	struct tcp_info info;

	return tcp_is(fd) && tcp_info_get(fd->fd, &info) && tcp_is_fresh(fd->fd, &info);
}

static int sock_tcp_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct tcp_rec rec = { .local = inet_local(d->fd->fd) };
	struct tcp_info info;

	(void)err;
	if (!tcp_is_plain(d) || !socket_save(d, inet_tcp_options, &body))
		return 0;
	if (!tcp_info_get(d->fd->fd, &info))
		return dump_block(d, NULL, "this kernel does not tell about a TCP socket");
	rec.is_listening = le32_make(info.tcpi_state == TCP_LISTEN);
	/* Of a listening socket, these two count connections that wait, net/ipv4/tcp.c. */
	if (info.tcpi_state == TCP_LISTEN)
		rec.backlog = le32_make(info.tcpi_sacked);
	(void)buf_append(&body, &rec, sizeof(rec));
	dump_record(d, d->fd->id, &kind_sock_tcp, body.data, body.size);
	return 0;
}

static int sock_tcp_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct socket_rec *common;
	const struct tcp_rec *rec;
	int r = socket_check(&reader, inet_tcp_options, &common, err);

	if (r == 0)
		r = inet_check(common, SOCK_STREAM, IPPROTO_TCP, err);
	if (r < 0)
		return r;
	rec = reader_take(&reader, sizeof(*rec));
	if (!rec || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_tcp: %zu bytes", length);
	if (!inet_address_is_valid(&rec->local, le32_get(common->family)))
		return err_set(err, ERR_DAMAGED, "sock_tcp: impossible address");
	if (le32_get(rec->is_listening) > 1 || le32_get(rec->backlog) > INT32_MAX)
		return err_set(err, ERR_DAMAGED, "sock_tcp: unknown bits");
	return 0;
}

static int sock_tcp_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	const struct socket_rec *common = socket_take(&reader);
	const struct tcp_rec *rec = reader_take(&reader, sizeof(*rec));
	auto_close int fd = -1;
	int r;

	r = tcp_make(rs, common, inet_tcp_options, &fd, err);
	if (r == 0 && !inet_address_is_unbound(&rec->local))
		r = tcp_bind(fd, &rec->local, !le32_get(rec->is_listening), err);
	if (r < 0)
		return r;
	if (le32_get(rec->is_listening) && listen(fd, les32_get(rec->backlog)) < 0)
		return err_set(err, -errno, "listen at %s", inet_address_print(&rec->local).text);
	r = socket_restore_options(rs, fd, common, inet_tcp_options, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_tcp = {
	.name = "sock_tcp",
	.summary = "TCP sockets without a connection, and listening ones",
	.tag = TAG('S', 'T', 'C', 'P'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_tcp_match,
	.dump = sock_tcp_dump,
	.check = sock_tcp_check,
	.restore = sock_tcp_restore,
};
