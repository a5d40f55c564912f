/* sysv_undo: what the kernel will add to System V semaphores when a process ends: the sum of what
 * it took by operations with SEM_UNDO.
 *
 * No call tells it. But operations of one semop(2) that are undone are tried in their order, each
 * against the limits of that sum, before any is done for good; a last one that would have to wait
 * makes all of them fail. Which error it is tells how far the sum is from its limit; nothing has
 * changed. */
#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/owner.h"
#include "kind/support/sysv.h"

extern const struct kind kind_sysv_undo;

enum {
	UNDO_LIMIT = 32768, /* the sum is below it, and not below its negative */
	OPERATIONS_MAX = 16,
	CHUNK = 256, /* semaphores asked for by one script */
	ENTRIES_MAX = 1 << 20,
};

RECORDS_BEGIN
struct sysv_undo_rec {
	le32 set;    /* id of its record */
	le16 number; /* of the semaphore in it */
	le16 adjust; /* signed, not zero */
};
RECORDS_END
static_assert(sizeof(struct sysv_undo_rec) == 8, "image format");

size_t sysv_undo_operations(uint16_t number, uint16_t value, int by, struct sembuf *operations)
{
	size_t count = 0;

	while (by != 0) {
		int step = by > SEM_STEP ? SEM_STEP : by < -SEM_STEP ? -SEM_STEP : by;
		struct sembuf plain = { .sem_num = number, .sem_op = (short)step };
		struct sembuf undone = { .sem_num = number,
					 .sem_op = (short)-step,
					 .sem_flg = SEM_UNDO };
		/* The value stays in its range on the way. */
		bool is_plain_first = (step > 0) == (value < SEM_STEP);

		operations[count++] = is_plain_first ? plain : undone;
		operations[count++] = is_plain_first ? undone : plain;
		by -= step;
	}
	return count;
}

/* ---- dump ---- */

static bool shares_undo(pid_t one, pid_t other)
{
	return syscall(SYS_kcmp, one, other, KCMP_SYSVSEM, 0, 0) == 0;
}

struct probe {
	const struct dump_semaphores *set;
	uint16_t number;
};

/* Would the sum and `by` be beyond the limit? The step's result will be ERANGE, or EAGAIN. */
static size_t add_probe(struct script *script, const struct probe *probe, int by)
{
	struct sembuf operations[OPERATIONS_MAX];
	uint16_t value = probe->set->values[probe->number];
	size_t count = sysv_undo_operations(probe->number, value, by, operations);

	operations[count++] = (struct sembuf){ .sem_num = probe->number,
					       .sem_op = (short)-(value + 1),
					       .sem_flg = IPC_NOWAIT };
	return script_syscall(script, "probe a semaphore", SCRIPT_MAY_FAIL, SYS_semtimedop,
			      (uint64_t)probe->set->semid,
			      script_copy(script, operations, count * sizeof(operations[0])), count,
			      0);
}

static int probe_answer(struct script *script, const struct probe *probe, size_t step,
			bool *ret_is_beyond, struct err *err)
{
	int64_t result = script_result(script, step);

	if (result != -ERANGE && result != -EAGAIN)
		return err_set(err, result < 0 ? (int)result : -EPROTO,
			       "find out what is to be undone of semaphores %d", probe->set->semid);
	*ret_is_beyond = result == -ERANGE;
	return 0;
}

static int find_sum(struct dump_thread *thread, const struct probe *probe, int *ret_sum,
		    struct err *err)
{
	int low = 1;
	int high = 2 * UNDO_LIMIT;

	/* The least that leads beyond. */
	while (low < high) {
		auto_script struct script script = SCRIPT_NONE;
		int middle = low + (high - low) / 2;
		bool is_beyond = false;
		size_t step;
		int r;

		script_init(&script, &thread->remote);
		step = add_probe(&script, probe, middle);
		r = script_run(&script, err);
		if (r == 0)
			r = probe_answer(&script, probe, step, &is_beyond, err);
		if (r < 0)
			return r;
		if (is_beyond)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_sum = UNDO_LIMIT - low;
	return 0;
}

static int add_entry(struct dump_thread *thread, const struct probe *probe, struct buf *entries,
		     struct err *err)
{
	struct sysv_undo_rec rec = { .set = le32_make(probe->set->id),
				     .number = le16_make(probe->number) };
	int sum;
	int r = find_sum(thread, probe, &sum, err);

	if (r < 0)
		return r;
	rec.adjust = le16_make((uint16_t)sum);
	(void)buf_append(entries, &rec, sizeof(rec));
	return 0;
}

/* Two probes tell whether there is anything to undo. */
static int ask_chunk(struct dump_thread *thread, const struct dump_semaphores *set, uint32_t first,
		     struct buf *entries, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	uint32_t end = set->count - first < CHUNK ? set->count : first + CHUNK;
	bool is_undone[CHUNK] = { false };
	int r;

	script_init(&script, &thread->remote);
	for (uint32_t i = first; i < end; i++) {
		const struct probe probe = { set, (uint16_t)i };

		(void)add_probe(&script, &probe, UNDO_LIMIT - 1);
		(void)add_probe(&script, &probe, UNDO_LIMIT);
	}
	r = script_run(&script, err);
	for (uint32_t i = 0; r == 0 && i < end - first; i++) {
		const struct probe probe = { set, (uint16_t)(first + i) };
		bool is_above = false;	   /* zero */
		bool is_not_below = false; /* zero */

		r = probe_answer(&script, &probe, 2 * (size_t)i, &is_above, err);
		if (r == 0)
			r = probe_answer(&script, &probe, 2 * (size_t)i + 1, &is_not_below, err);
		is_undone[i] = is_above || !is_not_below;
	}
	for (uint32_t i = first; r == 0 && i < end; i++) {
		if (is_undone[i - first])
			r = add_entry(thread, &(struct probe){ set, (uint16_t)i }, entries, err);
	}
	return r;
}

/* What cannot be asked for is in the way of a checkpoint. A set that was never used is let alone:
 * asking leaves an empty list, at whose end the set would seem used. */
static void ask_all(struct dump *d, struct dump_thread *thread, struct buf *entries)
{
	for (size_t i = 0; i < d->own->set_count; i++) {
		const struct dump_semaphores *set = &d->own->sets[i];
		struct err err = ERR_NONE;

		if (set->ns != d->task->namespaces[NAMESPACE_IPC])
			continue;
		for (uint32_t first = 0; set->is_used && err.code == 0 && first < set->count;
		     first += CHUNK)
			(void)ask_chunk(thread, set, first, entries, &err);
		if (err.code != 0)
			(void)dump_block(d, NULL, "%s", err.text);
	}
}

/* glibc's threads share one list; others may have one of their own. */
static void check_thread(struct dump *d, size_t number)
{
	struct dump_thread *thread = &d->task->threads[number];
	auto_buf struct buf entries = BUF_EMPTY;

	if (shares_undo(d->task->pid, thread->tid) || shares_undo(getpid(), thread->tid))
		return;
	ask_all(d, thread, &entries);
	if (entries.size > 0)
		(void)dump_block(d, NULL, "thread %d has semaphores of its own to undo",
				 thread->vtid);
}

/* Then both would undo it. */
static void check_others(struct dump *d)
{
	for (const struct dump_task *other = dump_next_task(d, NULL); other != d->task;
	     other = dump_next_task(d, other)) {
		if (other->thread_count > 0 && shares_undo(d->task->pid, other->pid))
			(void)dump_block(
			    d, NULL, "shares what is to be undone of semaphores with task %d (%s)",
			    other->vpid, other->stat.comm);
	}
}

static int sysv_undo_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf entries = BUF_EMPTY;

	if (!d->thread || d->own->set_count == 0)
		return 0;
	/* We have nothing to undo: whoever shares that has not, either. */
	if (unshare(CLONE_SYSVSEM) < 0)
		return err_set(err, -errno, "leave our own semaphores");
	if (!shares_undo(getpid(), d->task->pid))
		ask_all(d, &d->task->threads[0], &entries);
	for (size_t i = 1; i < d->task->thread_count; i++)
		check_thread(d, i);
	if (entries.size == 0)
		return 0;
	check_others(d);
	dump_record(d, d->task->id, &kind_sysv_undo, entries.data, entries.size);
	return 0;
}

/* ---- check, link ---- */

static size_t entry_count(const struct record *record)
{
	return record->length / sizeof(struct sysv_undo_rec);
}

static int sysv_undo_check(const void *body, size_t length, struct err *err)
{
	const struct sysv_undo_rec *rec = body;
	uint64_t last = 0;

	if (length == 0 || length % sizeof(*rec) != 0 || length / sizeof(*rec) > ENTRIES_MAX)
		return err_set(err, ERR_DAMAGED, "sysv_undo: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*rec); i++) {
		uint64_t place = (uint64_t)le32_get(rec[i].set) << 16 | le16_get(rec[i].number);

		if (i > 0 && place <= last)
			return err_set(err, ERR_DAMAGED, "sysv_undo: out of order");
		if (le16_get(rec[i].adjust) == 0)
			return err_set(err, ERR_DAMAGED, "sysv_undo: nothing to undo");
		last = place;
	}
	return 0;
}

static int sysv_undo_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct sysv_undo_rec *rec = record->body;

	for (size_t i = 0; i < entry_count(record); i++) {
		const struct record *set = image_find(image, TAG_SYSV_SEM, le32_get(rec[i].set));
		const struct sysv_sem_rec *body = set ? set->body : NULL;

		if (!body || le16_get(rec[i].number) >= le32_get(body->count))
			return err_set(err, ERR_DAMAGED, "sysv_undo: no such semaphore");
	}
	return owner_link_task(image, record, err);
}

/* ---- finish ---- */

static int sysv_undo_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct sysv_undo_rec *rec = record->body;

	for (size_t i = 0; i < entry_count(record); i++) {
		const struct record *set =
		    image_find(rs->image, TAG_SYSV_SEM, le32_get(rec[i].set));
		const struct sysv_sem_rec *body = set->body;
		uint16_t number = le16_get(rec[i].number);
		struct sembuf operations[OPERATIONS_MAX];
		size_t count = sysv_undo_operations(number, le16_get(body->values[number]),
						    (int16_t)le16_get(rec[i].adjust), operations);
		int r = script_room(script, 1, sizeof(operations) + 64, err);

		if (r < 0)
			return r;
		(void)script_syscall(script, "set what is to be undone of semaphores", 0,
				     SYS_semtimedop, le32_get(body->head.id),
				     script_copy(script, operations, count * sizeof(operations[0])),
				     count, 0);
	}
	return 0;
}

const struct kind kind_sysv_undo = {
	.name = "sysv_undo",
	.summary = "what a process undoes of System V semaphores at its end (SEM_UNDO)",
	.needs = "sysv_ipc",
	.tag = TAG('S', 'E', 'M', 'U'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = sysv_undo_dump,
	.check = sysv_undo_check,
	.link = sysv_undo_link,
	.finish = sysv_undo_finish,
};
