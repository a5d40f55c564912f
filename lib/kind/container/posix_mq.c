/* posix_mq: POSIX message queues with what is in them, those without a name too while a descriptor
 * holds them. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/ipc_limits.h"
#include "kind/support/mqueue.h"
#include "kind/support/sysv.h"

extern const struct kind kind_posix_mq;

RECORDS_BEGIN
struct posix_mq_rec {
	le32 mode;
	le32 uid;
	le32 gid;
	le32 capacity;	  /* messages */
	le32 size;	  /* of a message, at most */
	le32 is_removed;  /* 0 or 1: it has no name any more */
	le32 name_length; /* of the name that follows, without a slash, up to a multiple of 8 */
	le32 count;	  /* of messages that follow the name */
};
RECORDS_END
static_assert(sizeof(struct posix_mq_rec) == 32, "image format");

/* clang-format off */
#define POSIX_MQ_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, mode, FIELD_FREE) \
	FIELD(rec, uid, CLASS_UID) \
	FIELD(rec, gid, CLASS_GID) \
	FIELD(rec, capacity, FIELD_FREE) \
	FIELD(rec, size, FIELD_FREE) \
	FIELD(rec, is_removed, FIELD_FREE) \
	FIELD(rec, name_length, FIELD_FORM) \
	FIELD(rec, count, FIELD_FORM)
/* clang-format on */
FIELDS_OF(posix_mq, struct posix_mq_rec, POSIX_MQ_FIELDS);

static size_t up(uint32_t size)
{
	return ((size_t)size + 7) & ~(size_t)7;
}

/* ---- dump ---- */

static bool field(const char *text, const char *name, uint64_t max, uint64_t *ret_value)
{
	const char *at = strstr(text, name);

	if (!at)
		return false;
	at += strlen(name);
	return scan_number(&at, 10, max, ret_value);
}

/* QSIZE:129        NOTIFY:2     SIGNO:0     NOTIFY_PID:8260      mq_overview(7) */
static int read_notification(struct dump_queue *queue, struct err *err)
{
	char text[256] = "";
	uint64_t how;
	uint64_t signal;
	uint64_t pid;

	if (pread(queue->fd, text, sizeof(text) - 1, 0) <= 0)
		return err_set(err, -errno, "read a message queue");
	if (!field(text, "NOTIFY:", INT_MAX, &how) || !field(text, "SIGNO:", INT_MAX, &signal) ||
	    !field(text, "NOTIFY_PID:", INT_MAX, &pid))
		return err_set(err, ERR_FAILED, "a message queue cannot be understood");
	queue->how = (int)how;
	queue->signal = (int)signal;
	queue->notified = (pid_t)pid;
	return 0;
}

/* Its owner's kind goes on from here (task/mq_notify.c). True if it cannot be saved. */
static bool block_notification(struct dump *d, const struct dump_queue *queue, const char *name,
			       long count)
{
	const char *remedy = "checkpoint when no program waits for a notification";

	if (queue->notified == 0)
		return false;
	if (!dump_task_by_pid(d, queue->notified))
		(void)dump_block(
		    d, NULL, "message queue %s notifies a process outside of the container", name);
	else if (queue->how != SIGEV_SIGNAL && queue->how != SIGEV_NONE)
		(void)dump_block(d, remedy,
				 "notifications of message queue %s by a thread are not supported",
				 name);
	else if (count > 0)
		(void)dump_block(
		    d, remedy, "message queue %s has messages, and a process to be notified", name);
	else
		return false;
	return true;
}

static int write_queue(struct dump *d, const struct dump_queue *queue, const char *name,
		       bool is_removed, struct err *err)
{
	auto_buf struct buf messages = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	struct posix_mq_rec rec;
	struct mq_attr attr;
	struct stat stat;
	int r;

	if (fstat(queue->fd, &stat) < 0 || mq_getattr(queue->fd, &attr) < 0)
		return err_set(err, -errno, "look at message queue %s", name);
	if (block_notification(d, queue, name, attr.mq_curmsgs))
		return 0;
	r = mqueue_copy(queue->fd, &messages, err);
	if (r < 0)
		return err_wrap(err, "%s", name);
	rec = (struct posix_mq_rec){ .mode = le32_make(stat.st_mode & 07777u),
				     .uid = le32_make(stat.st_uid),
				     .gid = le32_make(stat.st_gid),
				     .capacity = le32_make((uint32_t)attr.mq_maxmsg),
				     .size = le32_make((uint32_t)attr.mq_msgsize),
				     .is_removed = le32_make(is_removed),
				     .name_length = le32_make((uint32_t)strlen(name)),
				     .count = le32_make((uint32_t)attr.mq_curmsgs) };
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, name, strlen(name));
	buf_align(&body, 8);
	(void)buf_append(&body, messages.data, messages.size);
	dump_record(d, queue->id, &kind_posix_mq, body.data, body.size);
	return 0;
}

static const struct dump_queues *find_space(const struct dump *d, dev_t dev)
{
	for (size_t i = 0; i < d->own->queue_space_count; i++) {
		if (d->own->queue_spaces[i].dev == dev)
			return &d->own->queue_spaces[i];
	}
	return NULL;
}

static int add_queue(struct dump *d, const char *name, bool is_removed, int fd, uint32_t *ret_id,
		     struct err *err)
{
	struct dump_private *own = d->own;
	struct dump_queue *queue;
	struct stat stat;
	int r;

	array_grow(own->queues, own->queue_count);
	queue = &own->queues[own->queue_count++];
	*queue = (struct dump_queue){ .id = dump_new_id(d), .fd = fd };
	if (fstat(fd, &stat) < 0)
		return err_set(err, -errno, "look at message queue %s", name);
	queue->inode = stat.st_ino;
	queue->dev = stat.st_dev;
	ipcns_dump(d, queue->id, find_space(d, stat.st_dev)->ns);
	*ret_id = queue->id;
	r = read_notification(queue, err);
	return r < 0 ? r : write_queue(d, queue, name, is_removed, err);
}

static int add_named(struct dump *d, DIR *dir, struct err *err)
{
	const struct dirent *entry;

	while ((errno = 0, entry = readdir(dir))) {
		uint32_t ignored;
		int fd;
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return err_set(err, -errno, "open message queue %s", entry->d_name);
		r = add_queue(d, entry->d_name, false, fd, &ignored, err);
		if (r < 0)
			return r;
	}
	return errno ? err_set(err, -errno, "list message queues") : 0;
}

static int posix_mq_dump(struct dump *d, struct err *err)
{
	auto_closedir DIR *dir = NULL;
	auto_close int fd = -1;
	struct dump_private *own = d->own;
	enum dump_ipc ipc;
	struct stat stat;
	int r = sysv_enter(d, &ipc, err);

	if (r < 0 || ipc != DUMP_IPC_OWN)
		return r;
	r = mqueue_mount(&fd, err);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	if (fstat(fd, &stat) < 0)
		return err_set(err, -errno, "look at message queues");
	array_grow(own->queue_spaces, own->queue_space_count);
	own->queue_spaces[own->queue_space_count++] =
	    (struct dump_queues){ .dev = stat.st_dev, .ns = d->ns ? d->ns->id : 0 };
	dir = fdopendir(fd);
	if (!dir)
		return err_set(err, -errno, "list message queues");
	(void)take_fd(&fd);
	return add_named(d, dir, err);
}

int posix_mq_of_file(struct dump *d, uint32_t *ret_id, struct err *err)
{
	static const char deleted[] = " (deleted)";
	const struct target_fd *file = d->fd;
	const char *slash = strrchr(file->link, '/');
	auto_free char *name = mem_string(slash ? slash + 1 : file->link);
	size_t length = strlen(name);
	int fd;

	*ret_id = 0;
	if (!find_space(d, file->stat.st_dev))
		return dump_block(d, NULL, "message queue %s is outside of the container",
				  file->link);
	for (size_t i = 0; i < d->own->queue_count; i++) {
		if (d->own->queues[i].inode == file->stat.st_ino &&
		    d->own->queues[i].dev == file->stat.st_dev) {
			*ret_id = d->own->queues[i].id;
			return 0;
		}
	}
	if (length >= strlen(deleted) && strcmp(name + length - strlen(deleted), deleted) == 0)
		name[length - strlen(deleted)] = '\0';
	fd = file_open_again(file->fd, O_RDWR);
	if (fd < 0)
		return err_set(err, fd, "open message queue %s", file->link);
	return add_queue(d, name, true, fd, ret_id, err);
}

void posix_mq_free(struct dump_private *own)
{
	for (size_t i = 0; i < own->queue_count; i++)
		drop_fd(&own->queues[i].fd);
	free(own->queues);
	free(own->queue_spaces);
	own->queues = NULL;
	own->queue_count = 0;
}

/* ---- check, ask ---- */

static bool name_is_valid(const char *name, uint32_t length)
{
	return length > 0 && length <= NAME_MAX && !memchr(name, '/', length) &&
	       !memchr(name, '\0', length) && !(length == 1 && name[0] == '.') &&
	       !(length == 2 && name[0] == '.' && name[1] == '.');
}

static int check_messages(struct reader *reader, const struct posix_mq_rec *rec, struct err *err)
{
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const struct mqueue_message_rec *message = reader_take(reader, sizeof(*message));

		if (!message || !reader_take(reader, up(le32_get(message->size))))
			return err_set(err, ERR_DAMAGED, "posix_mq: cut short");
		if (le32_get(message->priority) >= 32768 ||
		    le32_get(message->size) > le32_get(rec->size))
			return err_set(err, ERR_DAMAGED, "posix_mq: impossible message");
	}
	if (reader_left(reader) != 0)
		return err_set(err, ERR_DAMAGED, "posix_mq: too long");
	return 0;
}

static int posix_mq_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct posix_mq_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t name_length = rec ? le32_get(rec->name_length) : 0;
	const char *name = rec ? reader_take(&reader, up(name_length)) : NULL;

	if (!name)
		return err_set(err, ERR_DAMAGED, "posix_mq: %zu bytes", length);
	if (!name_is_valid(name, name_length))
		return err_set(err, ERR_DAMAGED, "posix_mq: impossible name");
	if (le32_get(rec->mode) > 07777 || le32_get(rec->is_removed) > 1)
		return err_set(err, ERR_DAMAGED, "posix_mq: unknown bits");
	if (le32_get(rec->capacity) - 1 >= MQUEUE_MESSAGES_MAX ||
	    le32_get(rec->size) - 1 >= MQUEUE_SIZE_MAX ||
	    le32_get(rec->count) > le32_get(rec->capacity))
		return err_set(err, ERR_DAMAGED, "posix_mq: impossible size");
	return check_messages(&reader, rec, err);
}

static int posix_mq_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	const struct posix_mq_rec *rec = record->body;
	auto_free char *uid = mem_printf("message queue %.*s, uid of the owner",
					 (int)le32_get(rec->name_length), (const char *)(rec + 1));
	auto_free char *gid = mem_printf("message queue %.*s, gid of the owner",
					 (int)le32_get(rec->name_length), (const char *)(rec + 1));

	(void)image;
	(void)err;
	plan_ask(plan, &(struct question){ .class = CLASS_UID,
					   .id = record->id,
					   .saved = le32_get(rec->uid),
					   .subject = uid });
	plan_ask(plan, &(struct question){ .class = CLASS_GID,
					   .id = record->id,
					   .saved = le32_get(rec->gid),
					   .subject = gid });
	return 0;
}

/* ---- restore ---- */

/* What the queues of one user take is limited: as far as the invoker may. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MSGQUEUE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_MSGQUEUE, &limit);
	}
}

static int make_queue(const struct posix_mq_rec *rec, const char *name, int *ret_fd,
		      struct err *err)
{
	struct mq_attr attr = { .mq_maxmsg = le32_get(rec->capacity),
				.mq_msgsize = le32_get(rec->size) };
	int fd = mq_open(name, O_RDWR | O_NONBLOCK | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);

	/* One without a name may have lost it to another. */
	if (fd < 0 && errno == EEXIST && le32_get(rec->is_removed)) {
		auto_free char *other = mem_printf("/%d", getpid());

		fd =
		    mq_open(other, O_RDWR | O_NONBLOCK | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
		(void)mq_unlink(other);
	} else if (fd >= 0 && le32_get(rec->is_removed)) {
		(void)mq_unlink(name);
	}
	if (fd < 0 && errno == EMFILE) {
		(void)err_set(err, -errno, "make message queue %s", name);
		return err_hint(err, "raise the limit of message queues (ulimit -q)");
	}
	if (fd < 0)
		return err_set(err, -errno, "make message queue %s", name);
	*ret_fd = fd;
	return 0;
}

/* The file system may belong to a user namespace that does not have our own ids. */
static int make_as_owner(const struct posix_mq_rec *rec, const char *name, uid_t uid, gid_t gid,
			 int *ret_fd, struct err *err)
{
	gid_t own_gid = (gid_t)setfsgid(gid);
	uid_t own_uid = (uid_t)setfsuid(uid);
	int r = make_queue(rec, name, ret_fd, err);

	(void)setfsuid(own_uid);
	(void)setfsgid(own_gid);
	return r;
}

static int fill_queue(const struct record *record, int fd, struct err *err)
{
	const struct posix_mq_rec *rec = record->body;
	struct reader reader = reader_of(rec + 1, record->length - sizeof(*rec));

	(void)reader_take(&reader, up(le32_get(rec->name_length)));
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const struct mqueue_message_rec *message = reader_take(&reader, sizeof(*message));
		const char *text = reader_take(&reader, up(le32_get(message->size)));

		if (mq_send(fd, text, le32_get(message->size), le32_get(message->priority)) < 0)
			return err_set(err, -errno, "fill a message queue");
	}
	return 0;
}

static int posix_mq_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct posix_mq_rec *rec = record->body;
	auto_free char *name =
	    mem_printf("/%.*s", (int)le32_get(rec->name_length), (const char *)(rec + 1));
	uid_t uid = (uid_t)plan_value(rs->plan, CLASS_UID, record->id, 0, UINT32_MAX);
	gid_t gid = (gid_t)plan_value(rs->plan, CLASS_GID, record->id, 0, UINT32_MAX);
	auto_close int fd = -1;
	int r;

	raise_limit();
	ipc_limits_raise(rs, record);
	ipc_limit_need(rs, "fs/mqueue/msg_max", le32_get(rec->capacity));
	ipc_limit_need(rs, "fs/mqueue/msgsize_max", le32_get(rec->size));
	r = make_as_owner(rec, name, uid, gid, &fd, err);
	if (r == 0)
		r = fill_queue(record, fd, err);
	if (r < 0)
		return r;
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, le32_get(rec->mode)) < 0)
		return err_set(err, -errno, "set the owner of message queue %s", name);
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_posix_mq = {
	.name = "posix_mq",
	.summary = "POSIX message queues and what is in them",
	.needs = "posix_mq",
	.tag = TAG_POSIX_MQ,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES, /* before the descriptors of them */
	.fields = posix_mq_fields,
	.namespace = NAMESPACE_IPC,
	.dump = posix_mq_dump,
	.check = posix_mq_check,
	.ask = posix_mq_ask,
	.restore = posix_mq_restore,
};
