/* Raw internet sockets: a protocol, addresses, groups and options. */
#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/grant.h"
#include "kind/support/inet_datagram.h"

extern const struct kind kind_sock_raw;

/* The record is a socket, and what datagram_save() appends. */

static bool sock_raw_match(const struct target_fd *fd)
{
	return socket_is(fd, AF_INET, SOCK_RAW, -1) || socket_is(fd, AF_INET6, SOCK_RAW, -1);
}

static int sock_raw_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	if (datagram_save(d, inet_raw_options, &body) && !datagram_block_queue(d, "raw packets"))
		dump_record(d, d->fd->id, &kind_sock_raw, body.data, body.size);
	return 0;
}

static int sock_raw_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	int r = datagram_check(&reader, inet_raw_options, SOCK_RAW, -1, err);

	if (r == 0 && reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_raw: %zu bytes", length);
	return r;
}

static int sock_raw_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	const struct socket_rec *rec = record->body;
	auto_free char *saved = mem_printf("protocol %u", le32_get(rec->protocol));

	(void)image;
	(void)err;
	plan_ask(plan, &(struct question){ .class = CLASS_RAW,
					   .id = record->id,
					   .saved = le32_get(rec->protocol),
					   .subject = "raw socket",
					   .saved_text = saved,
					   .invoker_text = "own network" });
	return 0;
}

static bool sock_raw_grant(const struct image *image, const struct record *record,
			   struct grant_look *ret_look)
{
	(void)image;
	*ret_look = grant_look_socket(record);
	return true;
}

static int sock_raw_restore(struct restore *rs, const struct record *record, struct err *err)
{
	struct reader reader = reader_of(record->body, record->length);
	auto_close int fd = -1;
	int r;

	r = socket_make(record->body, &fd, err);
	if (r == 0)
		r = datagram_restore(rs, &reader, inet_raw_options, fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_sock_raw = {
	.name = "sock_raw",
	.summary = "raw internet sockets",
	.needs = "raw_sockets",
	.tag = TAG('S', 'R', 'A', 'W'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = sock_raw_match,
	.dump = sock_raw_dump,
	.check = sock_raw_check,
	.ask = sock_raw_ask,
	.grant = sock_raw_grant,
	.restore = sock_raw_restore,
};
