/* sysv_msg: System V message queues. Their messages are copied, not received. */
#include <inttypes.h>
#include <string.h>
#include <sys/msg.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/sysv.h"

extern const struct kind kind_sysv_msg;

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static const char what[] = "message queue";

enum {
	MESSAGES_MAX = 1 << 14, /* to copy one, the kernel goes through all in front of it */
	BYTES_MAX = 64 << 20,	/* of one queue */
};

RECORDS_BEGIN
struct sysv_msg_rec {
	struct sysv_rec head;
	le64 limit; /* msg_qbytes */
	le32 count; /* of messages that follow */
	le32 reserved;
};

struct sysv_message_rec {
	le64 type; /* signed, positive */
	le32 size; /* of the bytes that follow, up to a multiple of 8 */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct sysv_msg_rec) == 48, "image format");
static_assert(sizeof(struct sysv_message_rec) == 16, "image format");

struct message {
	long type;
	char text[];
};

/* ---- dump ---- */

static int copy_message(int msqid, uint64_t number, size_t room, struct message *message,
			struct buf *body, struct err *err)
{
	ssize_t n = msgrcv(msqid, message, room, (long)number, MSG_COPY | IPC_NOWAIT | MSG_NOERROR);
	struct sysv_message_rec rec;

	if (n < 0)
		return err_set(err, -errno, "copy a message of queue %d", msqid);
	rec = (struct sysv_message_rec){ .type = le64_make((uint64_t)message->type),
					 .size = le32_make((uint32_t)n) };
	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, message->text, (size_t)n);
	buf_align(body, 8);
	return 0;
}

static int dump_queue(struct dump *d, int msqid, const struct msqid_ds *stat, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	auto_free struct message *message = NULL;
	size_t room = stat->__msg_cbytes;
	struct sysv_msg_rec rec = { .head = sysv_describe(msqid, &stat->msg_perm),
				    .limit = le64_make(stat->msg_qbytes),
				    .count = le32_make((uint32_t)stat->msg_qnum) };

	if (stat->msg_qnum > MESSAGES_MAX || room > BYTES_MAX)
		return dump_block(d, NULL, "System V message queue %d holds too much", msqid);
	(void)buf_append(&body, &rec, sizeof(rec));
	message = mem_alloc(1, sizeof(*message) + room);
	for (uint64_t i = 0; i < stat->msg_qnum; i++) {
		int r = copy_message(msqid, i, room, message, &body, err);

		if (r < 0)
			return r;
	}
	dump_record(d, sysv_new_id(d), &kind_sysv_msg, body.data, body.size);
	return 0;
}

static void check_foreign(struct dump *d, int msqid, const struct msqid_ds *stat)
{
	if (!sysv_block_foreign(d, what, msqid, stat->msg_lspid))
		(void)sysv_block_foreign(d, what, msqid, stat->msg_lrpid);
}

static int sysv_msg_dump(struct dump *d, struct err *err)
{
	struct msginfo info;
	enum dump_ipc ipc;
	int r = sysv_enter(d, &ipc, err);
	int last = r < 0 || ipc == DUMP_IPC_NOBODY
		       ? -1
		       : msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)&info);

	for (int i = 0; r == 0 && i <= last; i++) {
		struct msqid_ds stat;
		int msqid = msgctl(i, MSG_STAT_ANY, &stat);

		if (msqid < 0)
			continue;
		if (ipc == DUMP_IPC_OWN)
			r = dump_queue(d, msqid, &stat, err);
		else
			check_foreign(d, msqid, &stat);
	}
	return r;
}

/* ---- check, ask ---- */

/* The next message of a body; NULL when it is cut short. */
static const struct sysv_message_rec *take_message(struct reader *reader, const void **ret_text)
{
	const struct sysv_message_rec *rec = reader_take(reader, sizeof(*rec));
	size_t size = rec ? ((size_t)le32_get(rec->size) + 7) & ~(size_t)7 : 0;

	*ret_text = rec ? reader_take(reader, size) : NULL;
	return *ret_text ? rec : NULL;
}

static int sysv_msg_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct sysv_msg_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "sysv_msg: %zu bytes", length);
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const void *text;
		const struct sysv_message_rec *message = take_message(&reader, &text);

		if (!message || i >= MESSAGES_MAX)
			return err_set(err, ERR_DAMAGED, "sysv_msg: %zu bytes for %u messages",
				       length, le32_get(rec->count));
		if (le64_get(message->type) == 0 || le64_get(message->type) > INT64_MAX ||
		    le32_get(message->reserved) != 0)
			return err_set(err, ERR_DAMAGED, "sysv_msg: impossible type");
	}
	if (reader_left(&reader) != 0 || le32_get(rec->reserved) != 0 ||
	    le64_get(rec->limit) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "sysv_msg: unknown bits");
	return sysv_check(&rec->head, "sysv_msg", err);
}

static int sysv_msg_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	(void)image;
	(void)err;
	return sysv_ask(plan, record, what);
}

/* ---- restore ---- */

static int sysv_msg_get(key_t key, int flags, const void *body)
{
	(void)body;
	return msgget(key, flags);
}

static int set_queue(const struct restore *rs, const struct record *record, uint64_t limit,
		     struct err *err)
{
	const struct sysv_msg_rec *rec = record->body;
	int msqid = (int)le32_get(rec->head.id);
	struct msqid_ds owner = { .msg_qbytes = limit };

	sysv_owner(rs, record, &owner.msg_perm);
	if (msgctl(msqid, IPC_SET, &owner) < 0)
		return err_set(err, -errno, "set owner and limit of message queue %d", msqid);
	return 0;
}

static int send_messages(const struct restore *rs, const struct record *record, struct err *err)
{
	const struct sysv_msg_rec *rec = record->body;
	struct reader reader = reader_of(rec + 1, record->length - sizeof(*rec));
	auto_free struct message *draft = mem_alloc(1, sizeof(*draft) + record->length);
	int msqid = (int)le32_get(rec->head.id);
	const struct sysv_message_rec *message;
	const void *text;
	uint32_t largest = 0;

	while ((message = take_message(&reader, &text))) {
		uint32_t size = le32_get(message->size);

		draft->type = (long)le64_get(message->type);
		memcpy(draft->text, text, size);
		if (size > largest)
			ipc_limit_need(rs, "kernel/msgmax", size);
		largest = size > largest ? size : largest;
		if (msgsnd(msqid, draft, size, IPC_NOWAIT) < 0)
			return err_set(err, -errno, "fill message queue %d", msqid);
	}
	return 0;
}

static int sysv_msg_restore(struct restore *rs, const struct record *record, struct err *err)
{
	static const struct sysv_class class = { what, "msg_next_id", sysv_msg_get };
	const struct sysv_msg_rec *rec = record->body;
	uint64_t limit = le64_get(rec->limit);
	/* It may have been lowered below what was in it. */
	uint64_t filled = record->length > limit ? record->length : limit;
	int r;

	ipc_limits_raise(rs, record);
	ipc_limit_need(rs, "kernel/msgmnb", filled);
	r = sysv_make(rs, record, &class, err);
	if (r == 0 && le32_get(rec->count) > 0)
		r = set_queue(rs, record, filled, err);
	if (r == 0)
		r = send_messages(rs, record, err);
	return r < 0 ? r : set_queue(rs, record, limit, err);
}

const struct kind kind_sysv_msg = {
	.name = "sysv_msg",
	.summary = "System V message queues",
	.needs = "msg_copy",
	.tag = TAG('M', 'S', 'G', 'Q'),
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_FILES,
	.namespace = NAMESPACE_IPC,
	.dump = sysv_msg_dump,
	.check = sysv_msg_check,
	.ask = sysv_msg_ask,
	.restore = sysv_msg_restore,
};
