/* posix_timers: the timers of timer_create(2), with their ids. Overruns are lost, and said to be.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/alarm.h"
#include "kind/support/loss.h"
#include "kind/support/owner.h"
#include "kind/support/timer_list.h"
#include "kind/support/timer_overrun.h"

extern const struct kind kind_posix_timers;

#ifndef PR_TIMER_CREATE_RESTORE_IDS /* 6.15 */
#define PR_TIMER_CREATE_RESTORE_IDS	77
#define PR_TIMER_CREATE_RESTORE_IDS_OFF 0
#define PR_TIMER_CREATE_RESTORE_IDS_ON	1
#define PR_TIMER_CREATE_RESTORE_IDS_GET 2
#endif

enum {
	TIMERS_MAX = 65536,
	SKIPPED_MAX = 65536, /* ids that older kernels are led past, one by one */
	QUERY_BATCH = 256,
	CLOCK_OWN_CPU = 0x100,	  /* | one of 3 ways to measure: CPU time of the process */
	CLOCK_THREAD_CPU = 0x200, /* the same of one thread */
	CPU_WAY_COUNT = 3,
};

RECORDS_BEGIN
struct posix_timer_rec {
	le32 id;
	le32 signal;
	le64 value;
	le32 notify;	   /* SIGEV_* */
	le32 thread;	   /* thread id: that is notified, for SIGEV_THREAD_ID */
	le32 clock;	   /* CLOCK_*, or as above */
	le32 clock_thread; /* thread id: for CLOCK_THREAD_CPU */
	le64 interval_s;
	le64 interval_ns;
	le64 left_s;
	le64 left_ns;
};
RECORDS_END
static_assert(sizeof(struct posix_timer_rec) == 64, "image format");

/* The object id of a thread of this task, by its outer tid. */
static uint32_t own_thread(const struct dump_task *task, pid_t tid)
{
	for (size_t i = 0; i < task->thread_count; i++) {
		if (task->threads[i].tid == tid)
			return task->threads[i].id;
	}
	return 0;
}

/* As the process itself sees it. */
static pid_t innermost(const struct procfs_status *status)
{
	return status->ns_pid[status->ns_depth - 1];
}

static uint32_t own_thread_by_inner(const struct dump_task *task, pid_t tid)
{
	for (size_t i = 0; i < task->thread_count; i++) {
		if (innermost(&task->threads[i].status) == tid)
			return task->threads[i].id;
	}
	return 0;
}

/* CPU clocks are negative: ~pid << 3 | (a thread's ? 4 : 0) | way. Pid 0: whoever made the timer.
 */
static bool dump_cpu_clock(const struct dump_task *task, int clock, struct posix_timer_rec *rec)
{
	pid_t pid = ~(clock >> 3);
	uint32_t way = (uint32_t)clock & 3;
	uint32_t thread;

	if (way >= CPU_WAY_COUNT)
		return false;
	if (!(clock & 4)) {
		rec->clock = le32_make(CLOCK_OWN_CPU | way);
		return pid == 0 || pid == innermost(&task->status);
	}
	if (pid == 0)
		thread = task->thread_count == 1 ? task->threads[0].id : 0;
	else
		thread = own_thread_by_inner(task, pid);
	rec->clock = le32_make(CLOCK_THREAD_CPU | way);
	rec->clock_thread = le32_make(thread);
	return thread != 0;
}

static bool is_plain_clock(uint32_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM || clock == CLOCK_TAI;
}

static bool dump_clock(const struct dump_task *task, int clock, struct posix_timer_rec *rec)
{
	/* Before 6.18 these stand here as they were given. */
	if (clock == CLOCK_PROCESS_CPUTIME_ID)
		clock = ~0 * 8 | 2;
	else if (clock == CLOCK_THREAD_CPUTIME_ID)
		clock = ~0 * 8 | 4 | 2;
	if (clock < 0)
		return dump_cpu_clock(task, clock, rec);
	rec->clock = le32_make((uint32_t)clock);
	return is_plain_clock((uint32_t)clock);
}

/* False: it was named as a blocker. */
static bool dump_line(struct dump *d, const struct timer_line *line, struct posix_timer_rec *rec)
{
	*rec = (struct posix_timer_rec){ .id = le32_make(line->id),
					 .signal = le32_make((uint32_t)line->signal),
					 .value = le64_make(line->value),
					 .notify = le32_make((uint32_t)line->notify) };
	if (line->notify == SIGEV_THREAD_ID) {
		rec->thread = le32_make(own_thread(d->task, line->pid));
		if (le32_get(rec->thread) == 0) {
			(void)dump_block(
			    d, NULL, "timer %" PRIu32 " notifies a thread that is gone", line->id);
			return false;
		}
	}
	if (!dump_clock(d->task, line->clock, rec)) {
		(void)dump_block(d, NULL,
				 "timer %" PRIu32 " runs by clock %d, which has no owner here",
				 line->id, line->clock);
		return false;
	}
	return true;
}

static bool has_overruns(const struct dump *d, const struct timer_line *line,
			 const struct itimerspec *time, int64_t told)
{
	bool is_periodic = time->it_interval.tv_sec != 0 || time->it_interval.tv_nsec != 0;

	return told > 0 || (is_periodic && timer_signal_waits(d->task, line));
}

/* Appends `count` records, with the time that is left. */
static int dump_batch(struct dump *d, const struct timer_line *lines, size_t count,
		      struct buf *body, uint32_t *overruns, struct err *err)
{
	auto_script struct script s = SCRIPT_NONE;
	const struct itimerspec *times;
	size_t told[QUERY_BATCH];
	uint64_t out;
	int r;

	script_init(&s, &d->thread->remote);
	out = script_out(&s, count * sizeof(*times));
	for (size_t i = 0; i < count; i++) {
		(void)script_syscall(&s, "get timer", 0, SYS_timer_gettime, lines[i].id,
				     out + i * sizeof(*times));
		told[i] = script_syscall(&s, "get overruns", SCRIPT_MAY_FAIL, SYS_timer_getoverrun,
					 lines[i].id);
	}
	r = script_run(&s, err);
	if (r < 0)
		return r;
	times = script_output(&s, out, count * sizeof(*times), err);
	if (!times)
		return err->code;
	for (size_t i = 0; i < count; i++) {
		struct posix_timer_rec rec;

		if (!dump_line(d, &lines[i], &rec))
			continue;
		*overruns += has_overruns(d, &lines[i], &times[i], script_result(&s, told[i]));
		rec.interval_s = le64_make((uint64_t)times[i].it_interval.tv_sec);
		rec.interval_ns = le64_make((uint64_t)times[i].it_interval.tv_nsec);
		rec.left_s = le64_make((uint64_t)times[i].it_value.tv_sec);
		rec.left_ns = le64_make((uint64_t)times[i].it_value.tv_nsec);
		(void)buf_append(body, &rec, sizeof(rec));
	}
	return 0;
}

static int posix_timers_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	auto_free struct timer_line *lines = NULL;
	uint32_t overruns = 0;
	size_t count = 0;
	int r;

	if (!d->thread)
		return 0;
	r = procfs_read(d->task->proc, "timers", &text, err);
	if (r == 0 && text.size > 0)
		r = timer_list_parse(text.data, &lines, &count, err);
	if (r < 0)
		return r;
	if (count > TIMERS_MAX)
		return dump_block(d, NULL, "more than %d timers", TIMERS_MAX);
	for (size_t i = 0; i < count; i += QUERY_BATCH) {
		size_t size = count - i < QUERY_BATCH ? count - i : QUERY_BATCH;

		r = dump_batch(d, lines + i, size, &body, &overruns, err);
		if (r < 0)
			return r;
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_posix_timers, body.data, body.size);
	if (overruns > 0)
		dump_loss(d, LOSS_OVERRUNS, d->task->id, overruns, NULL);
	return 0;
}

static bool is_time(le64 seconds, le64 nanoseconds)
{
	return les64_get(seconds) >= 0 && le64_get(nanoseconds) < 1000000000;
}

static bool is_clock(const struct posix_timer_rec *rec)
{
	uint32_t clock = le32_get(rec->clock);
	bool has_thread = le32_get(rec->clock_thread) != 0;

	if (clock >= CLOCK_THREAD_CPU)
		return clock - CLOCK_THREAD_CPU < CPU_WAY_COUNT && has_thread;
	if (clock >= CLOCK_OWN_CPU)
		return clock - CLOCK_OWN_CPU < CPU_WAY_COUNT && !has_thread;
	return is_plain_clock(clock) && !has_thread;
}

static bool is_notify(const struct posix_timer_rec *rec)
{
	uint32_t notify = le32_get(rec->notify);
	uint32_t signal = le32_get(rec->signal);
	bool has_thread = le32_get(rec->thread) != 0;

	if (notify == SIGEV_NONE)
		return !has_thread;
	if (signal < 1 || signal > 64)
		return false;
	if (notify == SIGEV_THREAD_ID)
		return has_thread;
	return (notify == SIGEV_SIGNAL || notify == SIGEV_THREAD) && !has_thread;
}

static int check_timer(const struct posix_timer_rec *rec, struct err *err)
{
	uint32_t id = le32_get(rec->id);

	if (id > INT_MAX)
		return err_set(err, ERR_DAMAGED, "posix_timers: impossible id %" PRIu32, id);
	if (!is_notify(rec))
		return err_set(err, ERR_DAMAGED,
			       "posix_timers: timer %" PRIu32 ": bad notification", id);
	if (!is_clock(rec))
		return err_set(err, ERR_DAMAGED, "posix_timers: timer %" PRIu32 ": bad clock", id);
	if (!is_time(rec->interval_s, rec->interval_ns) || !is_time(rec->left_s, rec->left_ns))
		return err_set(err, ERR_DAMAGED, "posix_timers: timer %" PRIu32 ": impossible time",
			       id);
	return 0;
}

static int posix_timers_check(const void *body, size_t length, struct err *err)
{
	const struct posix_timer_rec *rec = body;
	size_t count = length / sizeof(*rec);

	if (length == 0 || length % sizeof(*rec) != 0 || count > TIMERS_MAX)
		return err_set(err, ERR_DAMAGED, "posix_timers: %zu bytes", length);
	for (size_t i = 0; i < count; i++) {
		int r = check_timer(&rec[i], err);

		if (r < 0)
			return r;
		if (i > 0 && le32_get(rec[i].id) <= le32_get(rec[i - 1].id))
			return err_set(err, ERR_DAMAGED, "posix_timers: out of order");
	}
	return 0;
}

static int posix_timers_link(const struct image *image, const struct record *record,
			     struct err *err)
{
	const struct posix_timer_rec *rec = record->body;

	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		const uint32_t ids[] = { le32_get(rec[i].thread), le32_get(rec[i].clock_thread) };

		for (size_t j = 0; j < 2; j++) {
			if (ids[j] != 0 && owner_task_of(image, ids[j]) != record->id)
				return err_set(err, ERR_DAMAGED,
					       "posix_timers: timer %" PRIu32 ": thread %" PRIu32
					       " is not of its process",
					       le32_get(rec[i].id), ids[j]);
		}
	}
	return owner_link_task(image, record, err);
}

static int posix_timers_ask(struct plan *plan, const struct image *image,
			    const struct record *record, struct err *err)
{
	const struct posix_timer_rec *rec = record->body;

	(void)image;
	(void)err;
	for (size_t i = 0; i < record->length / sizeof(*rec); i++)
		alarm_ask(plan, record->id, le32_get(rec[i].id), le32_get(rec[i].clock));
	return 0;
}

static uint64_t timer_clock(const struct restore *rs, const struct posix_timer_rec *rec)
{
	uint32_t clock = le32_get(rec->clock);
	int way = (int)(clock & 3);

	if (clock >= CLOCK_THREAD_CPU) {
		pid_t tid = restore_pid(rs, le32_get(rec->clock_thread));

		return (uint64_t)(int64_t)(~tid * 8 | 4 | way);
	}
	if (clock >= CLOCK_OWN_CPU)
		return (uint64_t)(int64_t)(~0 * 8 | way);
	return alarm_clock(clock);
}

static void create_timer(const struct restore *rs, const struct posix_timer_rec *rec,
			 struct script *script)
{
	const int id = (int)le32_get(rec->id);
	struct sigevent event = { .sigev_notify = (int)le32_get(rec->notify),
				  .sigev_signo = (int)le32_get(rec->signal) };

	event.sigev_value.sival_ptr = (void *)(uintptr_t)le64_get(rec->value);
	if (event.sigev_notify == SIGEV_THREAD_ID)
		event._sigev_un._tid = restore_pid(rs, le32_get(rec->thread));
	(void)script_syscall(script, "create timer", 0, SYS_timer_create, timer_clock(rs, rec),
			     script_copy(script, &event, sizeof(event)),
			     script_copy(script, &id, sizeof(id)));
}

/* A process' first timer has id 0, and every other the next: ids that are not in use are led past
 * by timers that live for a moment. Deleting by number fails when that should not be so. */
static int skip_ids(uint32_t from, uint32_t to, struct script *script, struct err *err)
{
	const struct sigevent silent = { .sigev_notify = SIGEV_NONE };

	for (uint32_t id = from; id < to; id++) {
		int r = script_room(script, 2, 2 * 64, err);

		if (r < 0)
			return r;
		(void)script_syscall(script, "skip a timer id", 0, SYS_timer_create,
				     CLOCK_MONOTONIC, script_copy(script, &silent, sizeof(silent)),
				     script_out(script, sizeof(int)));
		(void)script_syscall(script, "skip a timer id", 0, SYS_timer_delete, id);
	}
	return 0;
}

static int create_timers(const struct restore *rs, const struct record *record, bool has_mode,
			 struct script *script, struct err *err)
{
	const struct posix_timer_rec *rec = record->body;
	uint32_t next = 0;

	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		uint32_t id = le32_get(rec[i].id);
		int r = 0;

		if (!has_mode && id > SKIPPED_MAX) {
			(void)err_set(err, ERR_HOST,
				      "this kernel cannot make a timer with id %" PRIu32, id);
			return err_hint(err, "Linux 6.15 can");
		}
		if (!has_mode)
			r = skip_ids(next, id, script, err);
		if (r == 0)
			r = script_room(script, 1, 2 * 64, err);
		if (r < 0)
			return r;
		create_timer(rs, &rec[i], script);
		next = id + 1;
	}
	return 0;
}

static int arm_timers(const struct record *record, struct script *script, struct err *err)
{
	const struct posix_timer_rec *rec = record->body;

	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		const struct itimerspec time = {
			.it_interval = { .tv_sec = les64_get(rec[i].interval_s),
					 .tv_nsec = les64_get(rec[i].interval_ns) },
			.it_value = { .tv_sec = les64_get(rec[i].left_s),
				      .tv_nsec = les64_get(rec[i].left_ns) },
		};
		int r = script_room(script, 1, 64, err);

		if (r < 0)
			return r;
		(void)script_syscall(script, "set timer", 0, SYS_timer_settime, le32_get(rec[i].id),
				     0, script_copy(script, &time, sizeof(time)), 0);
	}
	return 0;
}

/* Behind the signal actions, which throw pending signals away, and before RLIMIT_SIGPENDING, from
 * which timers are taken, gets low. */
static int posix_timers_finish(struct restore *rs, const struct record *record,
			       struct script *script, struct err *err)
{
	bool has_mode =
	    prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0) >= 0;
	int r;

	if (has_mode)
		(void)script_syscall(script, "choose timer ids", 0, SYS_prctl,
				     PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0,
				     0, 0);
	r = create_timers(rs, record, has_mode, script, err);
	if (r < 0)
		return r;
	if (has_mode)
		(void)script_syscall(script, "choose timer ids no more", 0, SYS_prctl,
				     PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_OFF,
				     0, 0, 0);
	return arm_timers(record, script, err);
}

const struct kind kind_posix_timers = {
	.name = "posix_timers",
	.summary = "timers of timer_create(2)",
	.tag = TAG('P', 'T', 'I', 'M'),
	.scope = SCOPE_TASK,
	.phase = PHASE_IDENTITY,
	.dump = posix_timers_dump,
	.check = posix_timers_check,
	.link = posix_timers_link,
	.ask = posix_timers_ask,
	.finish = posix_timers_finish,
};
