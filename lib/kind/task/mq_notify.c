/* mq_notify: a process that waits to be told of the first message in an empty POSIX message queue.
 *
 * The value that comes with the signal cannot be read: an empty message makes the kernel send it.
 * The signal is taken from the process, and the notification is asked for anew. */
#include <errno.h>
#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/mqueue.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"

extern const struct kind kind_mq_notify;

enum { SIGNALS = 64, QUEUES_MAX = 65536 };

RECORDS_BEGIN
struct mq_notify_rec {
	le32 queue;  /* id of its record */
	le32 number; /* of a descriptor that the process has of it */
	le32 signal; /* 0: SIGEV_NONE */
	le32 reserved;
	le64 value; /* that comes with the signal */
};
RECORDS_END
static_assert(sizeof(struct mq_notify_rec) == 24, "image format");

static struct sigevent event_of(int signal, uint64_t value)
{
	return (struct sigevent){ .sigev_notify = signal ? SIGEV_SIGNAL : SIGEV_NONE,
				  .sigev_signo = signal,
				  .sigev_value = { .sival_ptr = (void *)(uintptr_t)value } };
}

/* ---- dump ---- */

/* A descriptor of the queue in its task; -1: it has none. */
static int find_number(const struct dump *d, const struct dump_queue *queue)
{
	for (size_t i = 0; i < d->task->slot_count; i++) {
		const struct dump_slot *slot = &d->task->slots[i];

		for (size_t j = 0; j < d->own->file_count; j++) {
			const struct target_fd *file = &d->own->files[j];

			if (file->id == slot->file && file->stat.st_ino == queue->inode &&
			    file->stat.st_dev == queue->dev)
				return slot->number;
		}
	}
	return -1;
}

static int provoke(const struct dump_queue *queue, struct err *err)
{
	struct mq_attr attr;
	auto_free char *text = NULL;

	if (mq_getattr(queue->fd, &attr) < 0)
		return err_set(err, -errno, "look at a message queue");
	text = mem_alloc(1, (size_t)attr.mq_msgsize);
	if (mq_send(queue->fd, text, 0, 0) < 0 ||
	    mq_receive(queue->fd, text, (size_t)attr.mq_msgsize, NULL) < 0)
		return err_set(err, -errno, "provoke a notification");
	return 0;
}

static int take_signal(struct dump *d, int signal, uint64_t *ret_value, struct err *err)
{
	static const struct {
		uint64_t seconds, nanoseconds;
	} now;
	auto_script struct script script = SCRIPT_NONE;
	uint64_t mask = 1ull << (signal - 1);
	const siginfo_t *info;
	uint64_t answer;
	int r;

	script_init(&script, &d->thread->remote);
	answer = script_out(&script, sizeof(*info));
	(void)script_syscall(&script, "take a notification", 0, SYS_rt_sigtimedwait,
			     script_copy(&script, &mask, sizeof(mask)), answer,
			     script_copy(&script, &now, sizeof(now)), sizeof(mask));
	r = script_run(&script, err);
	if (r < 0)
		return r;
	info = script_output(&script, answer, sizeof(*info), err);
	if (!info)
		return err->code;
	if (info->si_code != SI_MESGQ)
		return err_set(err, -EPROTO, "a notification was another signal");
	*ret_value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
	return 0;
}

static void ask_again(struct script *script, int number, int signal, uint64_t value)
{
	struct sigevent event = event_of(signal, value);

	(void)script_syscall(script, "ask for a notification", 0, SYS_mq_notify, (uint64_t)number,
			     script_copy(script, &event, sizeof(event)));
}

/* One that is pending would hide ours. */
static bool is_pending(const struct dump *d, int signal)
{
	uint64_t bit = 1ull << (signal - 1);

	for (size_t i = 0; i < d->task->thread_count; i++) {
		const struct procfs_status *status = &d->task->threads[i].status;

		if ((status->sig_pending | status->shared_pending) & bit)
			return true;
	}
	return signal == d->thread->remote.stop_signal;
}

static int learn_value(struct dump *d, const struct dump_queue *queue, int number,
		       uint64_t *ret_value, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	int r = provoke(queue, err);

	if (r == 0)
		r = take_signal(d, queue->signal, ret_value, err);
	if (r < 0)
		return r;
	script_init(&script, &d->thread->remote);
	ask_again(&script, number, queue->signal, *ret_value);
	return script_run(&script, err);
}

static int dump_one(struct dump *d, const struct dump_queue *queue, struct buf *body,
		    struct err *err)
{
	int number = find_number(d, queue);
	int signal = queue->how == SIGEV_SIGNAL ? queue->signal : 0;
	struct mq_notify_rec rec = { .queue = le32_make(queue->id),
				     .number = le32_make((uint32_t)number),
				     .signal = le32_make((uint32_t)signal) };
	uint64_t value = 0;
	int r = 0;

	if (number < 0 || signal > SIGNALS)
		return dump_block(d, NULL,
				  "notifications of a message queue of which it has no "
				  "descriptor are not supported");
	if (signal && is_pending(d, signal))
		return dump_block(d, "try again",
				  "the signal that notifies of a message is pending");
	/* Nothing is touched for a checkpoint that is refused. */
	if (signal && d->own->blocker_count == 0)
		r = learn_value(d, queue, number, &value, err);
	rec.value = le64_make(value);
	(void)buf_append(body, &rec, sizeof(rec));
	return r;
}

static int mq_notify_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	for (size_t i = 0; d->thread && i < d->own->queue_count; i++) {
		const struct dump_queue *queue = &d->own->queues[i];
		int r = queue->notified == d->task->pid ? dump_one(d, queue, &body, err) : 0;

		if (r < 0)
			return r;
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_mq_notify, body.data, body.size);
	return 0;
}

/* ---- check, link ---- */

static int mq_notify_check(const void *body, size_t length, struct err *err)
{
	const struct mq_notify_rec *rec = body;

	if (length == 0 || length % sizeof(*rec) != 0 || length / sizeof(*rec) > QUEUES_MAX)
		return err_set(err, ERR_DAMAGED, "mq_notify: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*rec); i++) {
		if (le32_get(rec[i].signal) > SIGNALS || le32_get(rec[i].reserved) != 0 ||
		    le32_get(rec[i].number) > INT32_MAX)
			return err_set(err, ERR_DAMAGED, "mq_notify: unknown bits");
	}
	return 0;
}

static bool has_descriptor(const struct image *image, uint32_t task, uint32_t number)
{
	const struct record *table = image_find(image, TAG_FDTABLE, task);
	const struct fdslot_rec *slots = table ? table->body : NULL;

	for (size_t i = 0; table && i < table->length / sizeof(*slots); i++) {
		if (le32_get(slots[i].number) == number)
			return true;
	}
	return false;
}

static int mq_notify_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct mq_notify_rec *rec = record->body;

	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		if (!image_find(image, TAG_POSIX_MQ, le32_get(rec[i].queue)) ||
		    !has_descriptor(image, record->id, le32_get(rec[i].number)))
			return err_set(err, ERR_DAMAGED, "mq_notify: no such queue");
	}
	return owner_link_task(image, record, err);
}

/* ---- finish ---- */

static int mq_notify_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct mq_notify_rec *rec = record->body;

	(void)rs;
	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		int r = script_room(script, 1, 128, err);

		if (r < 0)
			return r;
		ask_again(script, (int)le32_get(rec[i].number), (int)le32_get(rec[i].signal),
			  le64_get(rec[i].value));
	}
	return 0;
}

const struct kind kind_mq_notify = {
	.name = "mq_notify",
	.summary = "notifications of POSIX message queues",
	.needs = "posix_mq",
	.tag = TAG('M', 'Q', 'N', 'O'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LOCKS, /* to close any descriptor of the queue ends it */
	.dump = mq_notify_dump,
	.check = mq_notify_check,
	.link = mq_notify_link,
	.finish = mq_notify_finish,
};
