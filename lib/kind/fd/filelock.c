/* Locks on files: POSIX locks, which belong to a process, and those of flock(2) and F_OFD_SETLK,
 * which belong to an open file description: the first task that has it takes them again. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/holders.h"
#include "kind/support/lock_lines.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_filelock;

enum { FILELOCK_MAX = 1 << 16 /* of a task */, FILELOCK_BATCH = 64 };

RECORDS_BEGIN
struct filelock_rec {
	le32 number;   /* of a descriptor of the task; in rising order */
	le32 type;     /* enum file_lock */
	le32 is_write; /* 0 or 1 */
	le32 reserved; /* zero */
	le64 start;
	le64 end; /* the last byte; INT64_MAX: however long the file becomes */
};
RECORDS_END
static_assert(sizeof(struct filelock_rec) == 32, "image format");
static_assert(FILE_LOCK_POSIX == 0 && FILE_LOCK_FLOCK == 1 && FILE_LOCK_OFD == 2, "image format");

/* Is there a descriptor of the same description in front of this one? */
static bool is_repeated(const struct dump_task *task, size_t slot)
{
	for (size_t i = 0; i < slot; i++) {
		if (task->slots[i].file == task->slots[slot].file)
			return true;
	}
	return false;
}

static bool is_first_holder(const struct dump *d, uint32_t file)
{
	const struct dump_task *task = NULL;

	while ((task = dump_next_task(d, task)) && task != d->task) {
		for (size_t i = 0; task->keeps_files && i < task->slot_count; i++) {
			if (task->slots[i].file == file)
				return false;
		}
	}
	return true;
}

static void dump_slot(struct dump *d, const struct dump_slot *slot, struct buf *body)
{
	const char *at = slot->locks;
	struct lock_line line;

	if (holder_is_outside(d, slot->file)) {
		(void)dump_block(d, "let the program unlock it",
				 "descriptor %d: a locked file outside of the container",
				 slot->number);
		return;
	}
	while (lock_line_next(&at, &line)) {
		struct filelock_rec rec = {
			.number = le32_make((uint32_t)slot->number),
			.type = le32_make(line.type),
			.is_write = le32_make(line.is_write),
			.start = le64_make(line.start),
			.end = le64_make(line.end),
		};

		if (line.type == FILE_LOCK_OTHER)
			(void)dump_block(
			    d, "let the program give it up first",
			    "descriptor %d: a lock that is not known, or a lease that is "
			    "being broken",
			    slot->number);
		else if (line.type != FILE_LOCK_LEASE &&
			 (line.type == FILE_LOCK_POSIX || is_first_holder(d, slot->file)))
			(void)buf_append(body, &rec, sizeof(rec));
	}
}

static int filelock_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	if (!d->task->keeps_files)
		return 0;
	for (size_t i = 0; i < d->task->slot_count; i++) {
		if (d->task->slots[i].locks && !is_repeated(d->task, i))
			dump_slot(d, &d->task->slots[i], &body);
	}
	if (body.size > FILELOCK_MAX * sizeof(struct filelock_rec))
		return dump_block(d, NULL, "it has more than %d locks", FILELOCK_MAX);
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_filelock, body.data, body.size);
	return 0;
}

static int check_lock(const struct filelock_rec *rec, struct err *err)
{
	uint64_t start = le64_get(rec->start);
	uint64_t end = le64_get(rec->end);

	if (le32_get(rec->type) > FILE_LOCK_OFD)
		return err_set(err, ERR_DAMAGED, "filelock: type %" PRIu32, le32_get(rec->type));
	if (le32_get(rec->is_write) > 1 || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "filelock: unknown bits");
	if (start > end || end > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "filelock: impossible range");
	if (le32_get(rec->type) == FILE_LOCK_FLOCK && (start != 0 || end != INT64_MAX))
		return err_set(err, ERR_DAMAGED, "filelock: a range for flock");
	return 0;
}

static int filelock_check(const void *body, size_t length, struct err *err)
{
	const struct filelock_rec *recs = body;
	size_t count = length / sizeof(*recs);

	if (length % sizeof(*recs) != 0 || count == 0 || count > FILELOCK_MAX)
		return err_set(err, ERR_DAMAGED, "filelock: %zu bytes", length);
	for (size_t i = 0; i < count; i++) {
		int r = check_lock(&recs[i], err);

		if (r < 0)
			return r;
		if (i > 0 && le32_get(recs[i].number) < le32_get(recs[i - 1].number))
			return err_set(err, ERR_DAMAGED, "filelock: descriptors out of order");
	}
	return 0;
}

/* Both lists are in rising order of numbers. */
static int link_slots(const struct image *image, const struct record *record,
		      const struct record *table, struct err *err)
{
	const struct filelock_rec *recs = record->body;
	const struct fdslot_rec *slots = table->body;
	size_t slot_count = table->length / sizeof(*slots);
	const struct kind *stdio = kind_by_name("stdio");
	size_t j = 0;

	for (size_t i = 0; i < record->length / sizeof(*recs); i++) {
		uint32_t number = le32_get(recs[i].number);

		while (j < slot_count && le32_get(slots[j].number) < number)
			j++;
		if (j == slot_count || le32_get(slots[j].number) != number)
			return err_set(err, ERR_DAMAGED, "filelock: no descriptor %" PRIu32,
				       number);
		if (image_find(image, stdio->tag, le32_get(slots[j].file)))
			return err_set(err, ERR_DAMAGED,
				       "filelock: descriptor %" PRIu32 " is the invoker's", number);
	}
	return 0;
}

static int filelock_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *table = image_find(image, TAG_FDTABLE, record->id);
	int r = owner_link_task(image, record, err);

	if (r < 0)
		return r;
	if (!table || table >= record)
		return err_set(err, ERR_DAMAGED, "filelock: of a task without descriptors");
	return link_slots(image, record, table, err);
}

static int explain(const struct restore *rs, const struct filelock_rec *rec, int result,
		   struct err *err)
{
	auto_free char *name = holder_file_name(rs, le32_get(rec->number));

	if (result != -EAGAIN && result != -EACCES)
		return err_set(err, result, "lock %s", name);
	(void)err_set(err, ERR_REFUSED, "%s is locked by another process", name);
	return err_hint(err, "end the process that has the lock: the saved container itself, if "
			     "it was left running");
}

static size_t add_lock(const struct filelock_rec *rec, struct script *script)
{
	uint32_t number = le32_get(rec->number);
	bool is_write = le32_get(rec->is_write) != 0;
	uint64_t start = le64_get(rec->start);
	uint64_t end = le64_get(rec->end);
	struct flock lock = {
		.l_type = is_write ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)start,
		.l_len = end == INT64_MAX ? 0 : (off_t)(end - start + 1),
	};

	if (le32_get(rec->type) == FILE_LOCK_FLOCK)
		return script_syscall(script, "lock a file", SCRIPT_MAY_FAIL, SYS_flock, number,
				      (is_write ? LOCK_EX : LOCK_SH) | LOCK_NB);
	return script_syscall(script, "lock a file", SCRIPT_MAY_FAIL, SYS_fcntl, number,
			      le32_get(rec->type) == FILE_LOCK_OFD ? F_OFD_SETLK : F_SETLK,
			      script_copy(script, &lock, sizeof(lock)));
}

static int take_locks(const struct restore *rs, const struct filelock_rec *recs, size_t count,
		      struct script *script, struct err *err)
{
	size_t first = 0;
	int r;

	for (size_t i = 0; i < count; i++) {
		size_t step = add_lock(&recs[i], script);

		if (i == 0)
			first = step;
	}
	r = script_run(script, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		int64_t result = script_result(script, first + i);

		if (result < 0)
			r = explain(rs, &recs[i], (int)result, err);
	}
	return r;
}

/* Runs at once, so that a failure can name its file. */
static int filelock_finish(struct restore *rs, const struct record *record, struct script *script,
			   struct err *err)
{
	const struct filelock_rec *recs = record->body;
	size_t count = record->length / sizeof(*recs);
	int r = script_run(script, err);

	for (size_t i = 0; r == 0 && i < count; i += FILELOCK_BATCH)
		r = take_locks(rs, &recs[i],
			       count - i < FILELOCK_BATCH ? count - i : FILELOCK_BATCH, script,
			       err);
	return r;
}

const struct kind kind_filelock = {
	.name = "filelock",
	.summary = "locks on files: fcntl, flock and open file description locks",
	.tag = TAG('L', 'O', 'C', 'K'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LOCKS,
	.dump = filelock_dump,
	.check = filelock_check,
	.link = filelock_link,
	.finish = filelock_finish,
};
