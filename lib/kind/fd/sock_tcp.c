/* TCP sockets without a connection: new, with an address, listening. */
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/tcp.h"
#include "kind/support/tcp_queues.h"

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

/* clang-format off */
#define SOCK_TCP_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, local, CLASS_PORT) \
	FIELD(rec, is_listening, FIELD_FREE) \
	FIELD(rec, backlog, FIELD_FREE)
/* clang-format on */
FIELDS_OF(sock_tcp, struct tcp_rec, SOCK_TCP_FIELDS);

static bool sock_tcp_match(const struct target_fd *fd)
{
	struct tcp_info info;

	return tcp_is(fd) && tcp_info_get(fd->fd, &info) && tcp_is_fresh(fd->fd, &info);
}

/* A connection that no task accepted yet comes back by its client, which connects again. */
static bool is_without_client(const struct dump *d, const struct tcp_snapshot *snapshot,
			      const struct tcp_line *line)
{
	const struct tcp_line *client;

	if (line->inode != 0 || (line->state != TCP_ESTABLISHED && line->state != TCP_CLOSE_WAIT))
		return false;
	client = tcp_find_other(d, &snapshot->table, line->netns, &line->local, &line->peer);
	if (d->own->outside.tcp_close && (!client || client->inode != 0))
		return false;
	return !client || dump_first_file(d, d->fd->stat.st_dev, client->inode) == 0;
}

static bool waits_for(const struct tcp_line *line, const struct inet_address_rec *listening)
{
	static const struct tcp_place any[2] = { { .address = { [10] = 0xff, 0xff } } };
	struct tcp_place place = tcp_place_of(listening);
	bool is_any = memcmp(place.address, any[0].address, 16) == 0 ||
		      memcmp(place.address, any[1].address, 16) == 0;

	return line->local.port == place.port &&
	       (is_any || tcp_place_is_same(&line->local, &place));
}

static int block_strangers(struct dump *d, const struct inet_address_rec *local, struct err *err)
{
	struct tcp_snapshot *snapshot;
	size_t count = 0;
	int r = tcp_snapshot_get(d, &snapshot, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < snapshot->table.count; i++) {
		const struct tcp_line *line = &snapshot->table.lines[i];

		count += line->netns == d->fd->ns && waits_for(line, local) &&
			 is_without_client(d, snapshot, line);
	}
	if (count == 0)
		return 0;
	(void)dump_block(
	    d, "let the server accept them",
	    "%zu connections wait to be accepted whose other end is closed, or outside "
	    "of the container",
	    count);
	dump_block_is_momentary(d);
	return 0;
}

static int sock_tcp_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct tcp_rec rec = { .local = inet_local(d->fd->fd) };
	struct tcp_info info;

	int r;

	if (!tcp_is_plain(d) || !socket_save(d, inet_tcp_options, &body))
		return 0;
	if (!tcp_info_get(d->fd->fd, &info))
		return dump_block(d, NULL, "this kernel does not tell about a TCP socket");
	rec.is_listening = le32_make(info.tcpi_state == TCP_LISTEN);
	if (info.tcpi_state == TCP_LISTEN) {
		/* Of a listening socket, this is its backlog, net/ipv4/tcp.c. */
		rec.backlog = le32_make(info.tcpi_sacked);
		r = block_strangers(d, &rec.local, err);
		if (r < 0)
			return r;
	}
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

	r = tcp_make(rs, common, inet_tcp_options, 0, &fd, err);
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
	.fields = sock_tcp_fields,
	.match = sock_tcp_match,
	.dump = sock_tcp_dump,
	.check = sock_tcp_check,
	.ask = inet_ask,
	.restore = sock_tcp_restore,
};
