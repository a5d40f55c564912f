/* Signals for input and output: whom a description tells (F_SETOWN), by which signal (F_SETSIG),
 * and whether it does (O_ASYNC). The kernel checks them as the one who set the owner: the first
 * task that has the description sets it again, once it is who it was. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/holders.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

extern const struct kind kind_fileowner;

enum fileowner_type {
	FILEOWNER_NONE,
	FILEOWNER_PROCESS,
	FILEOWNER_THREAD,
	FILEOWNER_GROUP, /* the process group of a task */
	FILEOWNER_TYPES,
};

enum { FILEOWNER_ASYNC = 1 };

RECORDS_BEGIN
struct fileowner_rec {
	le32 number;   /* of a descriptor of the task */
	le32 type;     /* enum fileowner_type */
	le32 owner;    /* id of a task or thread */
	le32 signal;   /* 0: SIGIO, or SIGURG */
	le32 flags;    /* 1: O_ASYNC */
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct fileowner_rec) == 24, "image format");

/* ---- dump ---- */

static bool find_group(const struct dump *d, pid_t group, struct fileowner_rec *rec)
{
	for (const struct dump_task *task = NULL; (task = dump_next_task(d, task));) {
		if (task->thread_count == 0 || task->stat.pgrp != group ||
		    task->threads[0].status.ns_pgid[d->own->level] == 0)
			continue;
		rec->type = le32_make(FILEOWNER_GROUP);
		rec->owner = le32_make(task->id);
		return true;
	}
	return false;
}

static bool find_owner(const struct dump *d, const struct f_owner_ex *owner,
		       struct fileowner_rec *rec)
{
	const struct dump_thread *thread = dump_thread_by_tid(d, owner->pid);
	const struct dump_task *task = dump_task_by_pid(d, owner->pid);

	if (owner->type == F_OWNER_PGRP)
		return find_group(d, owner->pid, rec);
	if (owner->type == F_OWNER_TID && thread) {
		rec->type = le32_make(FILEOWNER_THREAD);
		rec->owner = le32_make(thread->id);
		return true;
	}
	if (owner->type != F_OWNER_PID || !task)
		return false;
	rec->type = le32_make(FILEOWNER_PROCESS);
	rec->owner = le32_make(task->id);
	return true;
}

/* Was it set by a task with these ids? */
static bool is_set_by(const struct target_fd *file, const struct dump_task *task)
{
	const struct procfs_status *status = &task->threads[0].status;
	uid_t uids[2];

	if (fcntl(file->fd, F_GETOWNER_UIDS, uids) < 0)
		return true; /* a kernel that does not tell */
	return uids[0] == status->uid[0] && uids[1] == status->uid[1];
}

/* From inside of a pid namespace, who is in it can be named. */
static bool is_seen(const struct dump *d, const struct f_owner_ex *owner)
{
	uint32_t own = d->task->namespaces[NAMESPACE_PID];

	for (const struct dump_task *task = NULL; own && (task = dump_next_task(d, task));) {
		for (size_t i = 0; i < task->thread_count; i++) {
			if (task->threads[i].tid == owner->pid && owner->type != F_OWNER_PGRP)
				return task->namespaces[NAMESPACE_PID] == own;
		}
	}
	return own == 0;
}

static void block(struct dump *d, const struct target_fd *file, const char *why)
{
	(void)dump_block(d, "let the program turn them off",
			 "descriptor %d: signals for input and output %s (%s)", file->number, why,
			 file->link);
}

static void dump_owner(struct dump *d, const struct target_fd *file, const struct f_owner_ex *owner,
		       int signal, struct buf *body)
{
	struct fileowner_rec rec = {
		.number = le32_make((uint32_t)file->number),
		.signal = le32_make((uint32_t)signal),
		.flags = le32_make(file->flags & O_ASYNC ? FILEOWNER_ASYNC : 0),
	};

	/* A directory has no other use for them. */
	if (S_ISDIR(file->stat.st_mode))
		(void)dump_block(d, "let the program close it",
				 "descriptor %d: F_NOTIFY is not supported (%s)", file->number,
				 file->link);
	else if (file->is_in_flight)
		block(d, file, "for a descriptor in flight are not supported");
	else if (holder_is_outside(d, file->id))
		block(d, file, "from outside of the container");
	else if (owner->pid != 0 && !find_owner(d, owner, &rec))
		block(d, file, "go out of the container");
	else if (owner->pid != 0 && !is_seen(d, owner))
		block(d, file, "go out of its pid namespace");
	else if (owner->pid != 0 && !is_set_by(file, d->task))
		block(d, file, "were set by another user");
	else
		(void)buf_append(body, &rec, sizeof(rec));
}

static int fileowner_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];
		struct f_owner_ex owner = { .pid = 0 };
		int signal;

		if (file->task != d->task || file->flags & O_PATH)
			continue;
		(void)fcntl(file->fd, F_GETOWN_EX, &owner);
		signal = fcntl(file->fd, F_GETSIG);
		if (owner.pid != 0 || signal > 0 || file->flags & O_ASYNC)
			dump_owner(d, file, &owner, signal, &body);
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_fileowner, body.data, body.size);
	return 0;
}

/* ---- check, link ---- */

static int fileowner_check(const void *body, size_t length, struct err *err)
{
	const struct fileowner_rec *recs = body;

	if (length % sizeof(*recs) != 0 || length == 0)
		return err_set(err, ERR_DAMAGED, "fileowner: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*recs); i++) {
		uint32_t type = le32_get(recs[i].type);

		if (type >= FILEOWNER_TYPES ||
		    (type == FILEOWNER_NONE) != (le32_get(recs[i].owner) == 0))
			return err_set(err, ERR_DAMAGED, "fileowner: type %" PRIu32, type);
		if (le32_get(recs[i].signal) > 64)
			return err_set(err, ERR_DAMAGED, "fileowner: signal %" PRIu32,
				       le32_get(recs[i].signal));
		if (le32_get(recs[i].flags) > FILEOWNER_ASYNC || le32_get(recs[i].reserved) != 0)
			return err_set(err, ERR_DAMAGED, "fileowner: unknown bits");
		if (i > 0 && le32_get(recs[i].number) <= le32_get(recs[i - 1].number))
			return err_set(err, ERR_DAMAGED, "fileowner: descriptors out of order");
	}
	return 0;
}

/* The process group of a task in the container; 0: it has none there. */
static uint32_t group_of(const struct image *image, uint32_t id)
{
	const struct record *task = image_find(image, TAG_TASK, id);
	const struct task_rec *rec = task ? task->body : NULL;

	return rec && !(le32_get(rec->flags) & TASK_ZOMBIE) ? le32_get(rec->pgid) : 0;
}

static bool is_there(const struct image *image, const struct fileowner_rec *rec)
{
	uint32_t owner = le32_get(rec->owner);

	switch (le32_get(rec->type)) {
	case FILEOWNER_PROCESS:
		return image_find(image, TAG_TASK, owner) != NULL;
	case FILEOWNER_THREAD:
		return image_find(image, TAG_REGISTERS, owner) != NULL;
	case FILEOWNER_GROUP:
		return group_of(image, owner) != 0;
	default:
		return true;
	}
}

static int fileowner_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct fileowner_rec *recs = record->body;
	const struct record *table = image_find(image, TAG_FDTABLE, record->id);
	int r = owner_link_task(image, record, err);

	if (r < 0)
		return r;
	if (!table)
		return err_set(err, ERR_DAMAGED, "fileowner: of a task without descriptors");
	for (size_t i = 0; i < record->length / sizeof(*recs); i++) {
		if (!holder_file(image, table, le32_get(recs[i].number)))
			return err_set(err, ERR_DAMAGED, "fileowner: no descriptor %" PRIu32,
				       le32_get(recs[i].number));
		if (!is_there(image, &recs[i]))
			return err_set(err, ERR_DAMAGED, "fileowner: no task %" PRIu32,
				       le32_get(recs[i].owner));
	}
	return 0;
}

/* ---- restore ---- */

static struct f_owner_ex owner_of(const struct restore *rs, const struct fileowner_rec *rec)
{
	uint32_t id = le32_get(rec->owner);

	switch (le32_get(rec->type)) {
	case FILEOWNER_THREAD:
		return (struct f_owner_ex){ F_OWNER_TID, restore_pid(rs, id) };
	case FILEOWNER_GROUP:
		return (struct f_owner_ex){ F_OWNER_PGRP, (pid_t)group_of(rs->image, id) };
	default:
		return (struct f_owner_ex){ F_OWNER_PID, restore_pid(rs, id) };
	}
}

static int set_owner(const struct restore *rs, const struct fileowner_rec *rec,
		     struct script *script, struct err *err)
{
	const int is_on = le32_get(rec->flags) & FILEOWNER_ASYNC;
	struct f_owner_ex owner = owner_of(rs, rec);
	uint32_t number = le32_get(rec->number);
	size_t last;
	int r;

	if (le32_get(rec->type) != FILEOWNER_NONE)
		(void)script_syscall(script, "set the owner of a file", 0, SYS_fcntl, number,
				     F_SETOWN_EX, script_copy(script, &owner, sizeof(owner)));
	(void)script_syscall(script, "set the signal of a file", 0, SYS_fcntl, number, F_SETSIG,
			     le32_get(rec->signal));
	last =
	    script_syscall(script, "turn signals of a file on or off", SCRIPT_MAY_FAIL, SYS_ioctl,
			   number, FIOASYNC, script_copy(script, &is_on, sizeof(is_on)));
	r = script_run(script, err);
	/* Regular files take the flag from F_SETFL only, and do nothing with it. */
	if (r == 0 && script_result(script, last) < 0 && script_result(script, last) != -ENOTTY)
		return err_set(err, (int)script_result(script, last),
			       "turn signals of descriptor %" PRIu32 " on", number);
	return r;
}

static int fileowner_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct fileowner_rec *recs = record->body;
	int r = script_run(script, err);

	for (size_t i = 0; r == 0 && i < record->length / sizeof(*recs); i++)
		r = set_owner(rs, &recs[i], script, err);
	return r;
}

const struct kind kind_fileowner = {
	.name = "fileowner",
	.summary = "signals for input and output: F_SETOWN, F_SETSIG, O_ASYNC",
	.tag = TAG('F', 'O', 'W', 'N'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LOCKS,
	.dump = fileowner_dump,
	.check = fileowner_check,
	.link = fileowner_link,
	.finish = fileowner_finish,
};
