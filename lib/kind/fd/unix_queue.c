/* What waits in unix sockets: data, datagrams and whom they are from, descriptors in flight, and
 * connections to be accepted. */
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/unix_queue.h"

extern const struct kind kind_unix_queue;

enum { FILES_MAX = 253, SIZE_MAX_MESSAGE = 1 << 30 };

/* The record is a struct unix_queue_rec, the ids of those who wait, the messages. */

static uint32_t find_sender(struct dump *d, const struct unix_socket *own,
			    const struct unix_bond *bond, const struct unix_name *name)
{
	const struct unix_socket *sender;

	if (own->type != SOCK_DGRAM || (bond->peer != 0 && unix_name_is(name, &own->peer_name)))
		return 0;
	sender = unix_socket_by_name(d, own->type, false, name);
	return sender ? sender->id : unix_gone_sender(d, name);
}

static void append_ids(struct buf *body, const uint32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		le32 id = le32_make(ids[i]);

		(void)buf_append(body, &id, sizeof(id));
	}
	buf_align(body, 8);
}

static void append_message(const struct unix_message *message, uint32_t sender, struct buf *body)
{
	struct unix_message_rec rec = {
		.size = le32_make((uint32_t)message->size),
		.sender = le32_make(sender),
		.files = le32_make((uint32_t)message->file_count),
	};

	if (message->has_credentials)
		rec.credentials = (struct unix_credentials){
			.are_known = le32_make(1),
			.pid = le32_make(message->pid),
			.uid = le32_make(message->credentials.uid),
			.gid = le32_make(message->credentials.gid),
		};
	(void)buf_append(body, &rec, sizeof(rec));
	append_ids(body, message->objects, message->file_count);
	unix_append(body, message->data, message->size);
}

void unix_queue_dump(struct dump *d, const struct unix_socket *own, const struct unix_bond *bond)
{
	struct unix_queue_rec rec = {
		.waiting = le32_make((uint32_t)own->facts.waiting_count),
		.messages = le32_make((uint32_t)own->queue.count),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free uint32_t *waiting = mem_alloc(own->facts.waiting_count, sizeof(*waiting));

	for (size_t i = 0; i < own->facts.waiting_count; i++)
		waiting[i] = unix_socket_by_inode(d, own->facts.waiting[i])->id;
	(void)buf_append(&body, &rec, sizeof(rec));
	append_ids(&body, waiting, own->facts.waiting_count);
	for (size_t i = 0; i < own->queue.count; i++) {
		const struct unix_message *message = &own->queue.messages[i];

		append_message(message, find_sender(d, own, bond, &message->sender), &body);
	}
	dump_record(d, own->id, &kind_unix_queue, body.data, body.size);
}

/* ---- check ---- */

void unix_queue_parts(const struct record *record, struct unix_queue_parts *ret_parts)
{
	struct reader reader = reader_of(record->body, record->length);

	ret_parts->rec = reader_take(&reader, sizeof(*ret_parts->rec));
	ret_parts->waiting = unix_take(&reader, le32_get(ret_parts->rec->waiting) * sizeof(le32));
	ret_parts->messages = reader;
}

bool unix_message_next(struct reader *messages, struct unix_message_parts *ret_parts)
{
	const struct unix_message_rec *rec = reader_take(messages, sizeof(*rec));

	if (!rec || le32_get(rec->files) > FILES_MAX || le32_get(rec->size) > SIZE_MAX_MESSAGE)
		return false;
	ret_parts->rec = rec;
	ret_parts->files = unix_take(messages, le32_get(rec->files) * sizeof(le32));
	ret_parts->data = ret_parts->files ? unix_take(messages, le32_get(rec->size)) : NULL;
	return ret_parts->data != NULL;
}

static int unix_queue_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct unix_queue_rec *rec = reader_take(&reader, sizeof(*rec));
	struct unix_message_parts message;

	if (!rec || le32_get(rec->waiting) > UNIX_WAITING_MAX ||
	    le32_get(rec->messages) > UNIX_MESSAGES_MAX ||
	    !unix_take(&reader, le32_get(rec->waiting) * sizeof(le32)))
		return err_set(err, ERR_DAMAGED, "unix queue: %zu bytes", length);
	for (uint32_t i = 0; i < le32_get(rec->messages); i++) {
		if (!unix_message_next(&reader, &message))
			return err_set(err, ERR_DAMAGED, "unix queue: message %u is cut", i);
		if (le32_get(message.rec->reserved) != 0 ||
		    le32_get(message.rec->credentials.are_known) > 1)
			return err_set(err, ERR_DAMAGED, "unix queue: unknown bits");
	}
	if (reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "unix queue: %zu bytes too many",
			       reader_left(&reader));
	return 0;
}

/* ---- link ---- */

static int link_waiting(const struct image *image, const struct unix_parts *own,
			const struct unix_queue_parts *queue, struct err *err)
{
	uint32_t count = le32_get(queue->rec->waiting);

	if (count > 0 && le32_get(own->rec->state) != UNIX_LISTENING)
		return err_set(err, ERR_DAMAGED, "unix queue: object %u does not listen", own->id);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = le32_get(queue->waiting[i]);
		struct unix_parts client = { .rec = NULL };

		if (!unix_parts(image, id, &client) ||
		    le32_get(client.rec->state) != UNIX_WAITING ||
		    le32_get(client.rec->peer) != own->id)
			return err_set(err, ERR_DAMAGED,
				       "unix queue: object %u does not wait for object %u", id,
				       own->id);
	}
	return 0;
}

static int link_message(const struct image *image, const struct unix_parts *own,
			const struct unix_message_parts *message, struct err *err)
{
	uint32_t sender = le32_get(message->rec->sender);
	uint32_t peer = le32_get(own->rec->state) == UNIX_CONNECTED ? le32_get(own->rec->peer) : 0;
	struct unix_parts from;

	if (sender == 0 ? peer == 0
			: own->type != SOCK_DGRAM || !unix_parts(image, sender, &from) ||
			      from.type != SOCK_DGRAM)
		return err_set(err, ERR_DAMAGED,
			       "unix queue: a message from object %u, which is "
			       "no sender",
			       sender);
	if (own->type == SOCK_STREAM && le32_get(message->rec->size) == 0)
		return err_set(err, ERR_DAMAGED, "unix queue: an empty message in a stream");
	for (uint32_t i = 0; i < le32_get(message->rec->files); i++) {
		if (!file_record(image, le32_get(message->files[i])))
			return err_set(err, ERR_DAMAGED,
				       "unix queue: object %u is in flight, but no file",
				       le32_get(message->files[i]));
	}
	return 0;
}

static int unix_queue_link(const struct image *image, const struct record *record, struct err *err)
{
	struct unix_queue_parts queue;
	struct unix_message_parts message;
	struct unix_parts own;
	int r;

	unix_queue_parts(record, &queue);
	if (!unix_parts(image, record->id, &own))
		return err_set(err, ERR_DAMAGED, "unix queue: object %u is no socket", record->id);
	r = link_waiting(image, &own, &queue, err);
	while (r == 0 && unix_message_next(&queue.messages, &message))
		r = link_message(image, &own, &message, err);
	return r;
}

/* All at once, because of the order of connections among them. */
static int unix_queue_restore(struct restore *rs, const struct record *record, struct err *err)
{
	if (image_next(rs->image, TAG_UNIX_QUEUE, NULL) != record)
		return 0;
	return unix_fill_all(rs, err);
}

const struct kind kind_unix_queue = {
	.name = "unix_queue",
	.summary = "what waits in unix sockets: data, descriptors, connections",
	.needs = "sock_diag",
	.tag = TAG_UNIX_QUEUE,
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.check = unix_queue_check,
	.link = unix_queue_link,
	.restore = unix_queue_restore,
};
