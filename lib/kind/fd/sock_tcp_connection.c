/* TCP connections. Those with both ends in the container always come back; the second of a pair of
 * records names the first, and makes both. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/namespaces.h"
#include "kind/support/tcp_form.h"
#include "kind/support/tcp_outside.h"
#include "kind/support/tcp_pair.h"
#include "kind/support/tcp_queues.h"

extern const struct kind kind_sock_tcp_connection;

/* The record is a socket, a struct tcp_connection_rec, of one that leads outside a struct
 * tcp_outside_rec, what was received, and what was not sent. */

enum { SEGMENT_MAX = 65535, SCALE_MAX = 14 };

static bool sock_tcp_connection_match(const struct target_fd *fd)
{
	struct tcp_info info;

	return tcp_is(fd) && tcp_info_get(fd->fd, &info) && !tcp_is_fresh(fd->fd, &info);
}

/* ---- dump ---- */

static uint32_t find_flags(int fd, const struct tcp_info *info)
{
	struct pollfd state = { .fd = fd, .events = POLLRDHUP };
	uint32_t flags = 0;

	switch (info->tcpi_state) {
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		flags |= TCP_SHUT_WRITE;
	}
	if ((info->tcpi_state == TCP_ESTABLISHED || info->tcpi_state == TCP_FIN_WAIT1 ||
	     info->tcpi_state == TCP_FIN_WAIT2) &&
	    poll(&state, 1, 0) > 0 && state.revents & POLLRDHUP)
		flags |= TCP_SHUT_READ;
	flags |= info->tcpi_options & TCPI_OPT_TIMESTAMPS ? TCP_TIMESTAMPS : 0;
	flags |= info->tcpi_options & TCPI_OPT_SACK ? TCP_SACK : 0;
	flags |= info->tcpi_options & TCPI_OPT_WSCALE ? TCP_SCALE : 0;
	return flags;
}

static bool has_urgent(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLPRI };

	return poll(&state, 1, 0) > 0 && state.revents & POLLPRI;
}

static uint32_t bounded(uint32_t value, uint32_t lowest, uint32_t highest)
{
	return value < lowest ? lowest : value > highest ? highest : value;
}

static struct tcp_outside_rec outside_of(const struct tcp_progress *progress)
{
	const struct tcp_repair_window *window = &progress->window;

	return (struct tcp_outside_rec){
		.send_sequence = le32_make(progress->send_sequence),
		.receive_sequence = le32_make(progress->receive_sequence),
		.sent = le32_make(progress->sent),
		.timestamp = le32_make(progress->timestamp),
		.segment = le32_make(bounded((uint32_t)progress->segment, 1, SEGMENT_MAX)),
		.window_sequence = le32_make(window->snd_wl1),
		.send_window = le32_make(window->snd_wnd),
		.largest_window = le32_make(window->max_window),
		.receive_window = le32_make(window->rcv_wnd),
		.receive_update = le32_make(window->rcv_wup),
	};
}

static bool has_peer_ended(const struct tcp_info *info)
{
	return info->tcpi_state == TCP_CLOSE_WAIT || info->tcpi_state == TCP_LAST_ACK ||
	       info->tcpi_state == TCP_CLOSING;
}

static int dump_connection(struct dump *d, struct tcp_queues *queues, const struct tcp_info *info,
			   struct buf *body)
{
	int fd = d->fd->fd;
	struct tcp_connection_rec rec = {
		.local = inet_local(fd),
		.peer = queues->peer,
		.flags = le32_make(find_flags(fd, info)),
		.segment = le32_make(bounded(info->tcpi_advmss, 88, SEGMENT_MAX)),
		.send_scale = le32_make(info->tcpi_snd_wscale),
		.receive_scale = le32_make(info->tcpi_rcv_wscale),
		.received = le32_make((uint32_t)queues->received_size),
		.unsent = le32_make((uint32_t)queues->unsent_size),
	};
	enum tcp_form form = tcp_form_find(d, queues, info, &rec);

	if (form == 0)
		return 0;
	if (queues->error < 0)
		return dump_block(d, NULL, "the queues of a TCP connection can't be read: %s",
				  strerror(-queues->error));
	rec.form = le32_make(form);
	if (form == TCP_FORM_OUTSIDE && has_peer_ended(info))
		rec.flags = le32_make(le32_get(rec.flags) | TCP_PEER_ENDED);
	if (form == TCP_FORM_PAIR && queues->mate->is_dumped)
		rec.mate = le32_make(queues->mate->file->id);
	(void)buf_append(body, &rec, sizeof(rec));
	if (form == TCP_FORM_OUTSIDE) {
		struct tcp_outside_rec outside = outside_of(&queues->progress);

		(void)buf_append(body, &outside, sizeof(outside));
	}
	(void)buf_append(body, queues->received, queues->received_size);
	(void)buf_append(body, queues->unsent, queues->unsent_size);
	queues->is_dumped = true;
	dump_record(d, d->fd->id, &kind_sock_tcp_connection, body->data, body->size);
	return 0;
}

static int sock_tcp_connection_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct tcp_snapshot *snapshot;
	struct tcp_queues *queues;
	struct tcp_info info;
	int r = tcp_snapshot_get(d, &snapshot, err);

	if (r < 0)
		return r;
	if (!tcp_is_plain(d) || !socket_save(d, inet_connection_options, &body))
		return 0;
	if (has_urgent(d->fd->fd))
		return dump_block(d, "let the program read it",
				  "a TCP connection with urgent data is not supported");
	queues = tcp_snapshot_find(snapshot, d->fd->id);
	if (!queues || !tcp_info_get(d->fd->fd, &info))
		return err_set(err, ERR_FAILED, "its state has changed");
	if (queues->is_kept) {
		size_t count;
		const void *filter = tcp_hold_filter(snapshot->hold, queues->held, &count);

		socket_replace_filter(&body, 0, filter, count);
	}
	return dump_connection(d, queues, &info, &body);
}

/* ---- check and link ---- */

static int check_connection(const struct socket_rec *common, const struct tcp_connection_rec *rec,
			    struct err *err)
{
	uint32_t form = le32_get(rec->form);
	uint32_t family = le32_get(common->family);

	if (form == 0 || form >= TCP_FORMS || le32_get(rec->flags) & ~TCP_FLAGS ||
	    (le32_get(rec->mate) != 0 && form != TCP_FORM_PAIR) ||
	    (le32_get(rec->flags) & TCP_PEER_ENDED && form != TCP_FORM_OUTSIDE))
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: unknown bits");
	if (!inet_address_is_valid(&rec->local, family) ||
	    !inet_address_is_valid(&rec->peer, family) || inet_address_is_none(&rec->local))
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: impossible address");
	if (inet_address_is_none(&rec->peer) != (form == TCP_FORM_DEAD) ||
	    (form != TCP_FORM_DEAD && le16_get(rec->local.port) == 0))
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: impossible address");
	if (le32_get(rec->send_scale) > SCALE_MAX || le32_get(rec->receive_scale) > SCALE_MAX ||
	    le32_get(rec->segment) < 88 || le32_get(rec->segment) > SEGMENT_MAX)
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: impossible agreement");
	return 0;
}

static int check_outside(const struct tcp_connection_rec *rec,
			 const struct tcp_outside_rec *outside, struct err *err)
{
	if (le32_get(outside->sent) > le32_get(rec->unsent))
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: more sent than there is");
	if (le32_get(outside->segment) == 0 || le32_get(outside->segment) > SEGMENT_MAX ||
	    le32_get(outside->largest_window) < le32_get(outside->send_window))
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: impossible agreement");
	return 0;
}

static int sock_tcp_connection_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct tcp_outside_rec *outside = NULL;
	const struct tcp_connection_rec *rec;
	const struct socket_rec *common;
	bool is_outside;
	int r = socket_check(&reader, inet_connection_options, &common, err);

	if (r == 0)
		r = inet_check(common, SOCK_STREAM, IPPROTO_TCP, err);
	if (r < 0)
		return r;
	rec = reader_take(&reader, sizeof(*rec));
	is_outside = rec && le32_get(rec->form) == TCP_FORM_OUTSIDE;
	if (is_outside)
		outside = reader_take(&reader, sizeof(*outside));
	if (!rec || (is_outside && !outside) || !reader_take(&reader, le32_get(rec->received)) ||
	    !reader_take(&reader, le32_get(rec->unsent)) || reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "sock_tcp_connection: %zu bytes", length);
	r = check_connection(common, rec, err);
	return r < 0 || !outside ? r : check_outside(rec, outside, err);
}

/* One's address is the other's peer, whatever family the two have. */
static bool is_mirrored(const struct tcp_connection_rec *a, const struct tcp_connection_rec *b)
{
	struct tcp_place ends[4] = { tcp_place_of(&a->local), tcp_place_of(&b->peer),
				     tcp_place_of(&a->peer), tcp_place_of(&b->local) };

	return tcp_place_is_same(&ends[0], &ends[1]) && tcp_place_is_same(&ends[2], &ends[3]);
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a;
	uint32_t other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

/* No end is that of two others. */
static int check_mates(const struct image *image, uint32_t tag, struct err *err)
{
	const struct record *record = NULL;
	auto_free uint32_t *mates = NULL;
	size_t count = 0;

	while ((record = image_next(image, tag, record))) {
		uint32_t mate = le32_get(tcp_end_take(record).rec->mate);

		if (mate == 0)
			continue;
		array_grow(mates, count);
		mates[count++] = mate;
	}
	if (count > 0)
		qsort(mates, count, sizeof(*mates), compare_ids);
	for (size_t i = 1; i < count; i++) {
		if (mates[i] == mates[i - 1])
			return err_set(err, ERR_DAMAGED,
				       "sock_tcp_connection: object %u has two other ends",
				       mates[i]);
	}
	return 0;
}

static int sock_tcp_connection_link(const struct image *image, const struct record *record,
				    struct err *err)
{
	struct tcp_end end = tcp_end_take(record);
	const struct record *carrier;
	struct tcp_end mate;

	if (image_next(image, record->tag, NULL) == record &&
	    check_mates(image, record->tag, err) < 0)
		return err->code;
	if (le32_get(end.rec->mate) == 0)
		return 0;
	carrier = file_carrier(image, record, le32_get(end.rec->mate), err);
	if (!carrier)
		return err->code;
	mate = tcp_end_take(carrier);
	if (le32_get(mate.rec->form) != TCP_FORM_PAIR || le32_get(mate.rec->mate) != 0 ||
	    !is_mirrored(end.rec, mate.rec))
		return err_set(err, ERR_DAMAGED,
			       "sock_tcp_connection: object %u is not the other end of object %u",
			       carrier->id, record->id);
	return 0;
}

/* ---- ask ---- */

static int sock_tcp_connection_ask(struct plan *plan, const struct image *image,
				   const struct record *record, struct err *err)
{
	struct tcp_end end = tcp_end_take(record);
	struct inet_address_text local = inet_address_print(&end.local);
	struct inet_address_text peer = inet_address_print(&end.peer);
	auto_free char *subject = mem_printf("TCP connection with %s", peer.text);
	bool has_address = tcp_has_address(image, &end.local);

	(void)err;
	inet_ask_port(plan, record, &end.local);
	if (end.outside)
		plan_ask(plan, &(struct question){
				   .class = CLASS_TCP,
				   .id = record->id,
				   .saved = 1,
				   .invoker = has_address,
				   .subject = subject,
				   .saved_text = local.text,
				   .invoker_text = has_address ? "saved" : "not saved",
			       });
	return 0;
}

/* One that leads outside is the invoker's to make. */
static bool sock_tcp_connection_grant(const struct image *image, const struct record *record,
				      struct grant_look *ret_look)
{
	struct tcp_end end = tcp_end_take(record);
	uint32_t form = le32_get(end.rec->form);

	(void)image;
	*ret_look = grant_look_socket(record);
	ret_look->is_connected = true;
	ret_look->is_unread = le32_get(end.rec->received) > 0 || le32_get(end.rec->unsent) > 0;
	return form == TCP_FORM_OUTSIDE || form == TCP_FORM_CUT;
}

/* ---- restore ---- */

static int restore_pair(struct restore *rs, const struct record *record, struct err *err)
{
	struct tcp_end end = tcp_end_take(record);
	const struct record *carrier = image_find(rs->image, record->tag, le32_get(end.rec->mate));
	struct tcp_end mate;
	int r;

	/* The second one makes both. */
	if (!carrier)
		return 0;
	mate = tcp_end_take(carrier);
	end.netns = netns_find(rs->image, record->id);
	mate.netns = netns_find(rs->image, carrier->id);
	r = tcp_pair_restore(rs, &end, &mate, err);
	if (r < 0)
		return r;
	r = restore_give_fd(rs, carrier, mate.fd, err);
	if (r < 0) {
		drop_fd(&end.fd);
		return r;
	}
	return restore_give_fd(rs, record, end.fd, err);
}

static bool is_kept(const struct restore *rs, const struct record *record)
{
	return tcp_end_take(record).outside &&
	       plan_value(rs->plan, CLASS_TCP, record->id, 0, 0) != 0;
}

/* The first one makes all of them. */
static int restore_outside(struct restore *rs, const struct record *record, struct err *err)
{
	auto_free const struct record **records = NULL;
	auto_free struct tcp_end *ends = NULL;
	const struct record *next = NULL;
	size_t count = 0;
	int r;

	if (restore_fd(rs, record->id) >= 0)
		return 0;
	while ((next = image_next(rs->image, record->tag, next))) {
		if (!is_kept(rs, next))
			continue;
		array_grow(records, count);
		array_grow(ends, count);
		records[count] = next;
		ends[count++] = tcp_end_take(next);
	}
	r = tcp_outside_restore(rs, ends, count, err);
	for (size_t i = 0; i < count; i++) {
		if (r == 0)
			r = restore_give_fd(rs, records[i], ends[i].fd, err);
		else
			drop_fd(&ends[i].fd);
	}
	return r;
}

static int sock_tcp_connection_restore(struct restore *rs, const struct record *record,
				       struct err *err)
{
	struct tcp_end end = tcp_end_take(record);
	int r;

	end.netns = netns_find(rs->image, record->id);
	switch (le32_get(end.rec->form)) {
	case TCP_FORM_PAIR:
		return restore_pair(rs, record, err);
	case TCP_FORM_OUTSIDE:
		if (is_kept(rs, record))
			return restore_outside(rs, record, err);
		r = tcp_cut_restore(rs, &end, err);
		break;
	case TCP_FORM_WAITING:
	case TCP_FORM_CONNECTING:
		r = tcp_waiting_restore(rs, &end, err);
		break;
	default:
		r = tcp_single_restore(rs, &end, err);
	}
	return r < 0 ? r : restore_give_fd(rs, record, end.fd, err);
}

const struct kind kind_sock_tcp_connection = {
	.name = "sock_tcp_connection",
	.summary = "TCP connections, and what is in their queues",
	.needs = "tcp_repair",
	.tag = TAG('T', 'C', 'P', 'C'),
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.match = sock_tcp_connection_match,
	.dump = sock_tcp_connection_dump,
	.check = sock_tcp_connection_check,
	.link = sock_tcp_connection_link,
	.ask = sock_tcp_connection_ask,
	.grant = sock_tcp_connection_grant,
	.restore = sock_tcp_connection_restore,
};
