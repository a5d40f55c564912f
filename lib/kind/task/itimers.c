/* itimers: the three interval timers of setitimer(2). */
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_itimers;

enum { TIMER_COUNT = 3 }; /* ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF */

RECORDS_BEGIN
struct itimers_rec {
	struct {
		le64 interval_s;
		le64 interval_us;
		le64 left_s;
		le64 left_us;
	} timers[TIMER_COUNT];
};
RECORDS_END
static_assert(sizeof(struct itimers_rec) == 96, "image format");

static const char *const set_names[TIMER_COUNT] = {
	[ITIMER_REAL] = "set ITIMER_REAL",
	[ITIMER_VIRTUAL] = "set ITIMER_VIRTUAL",
	[ITIMER_PROF] = "set ITIMER_PROF",
};

/* A timer that fired while its task was stopped is armed again only when the signal, which is
 * pending, is taken: until then it has an interval, but no time left. */
static struct timeval time_left(const struct itimerval *timer)
{
	bool is_waiting = timer->it_value.tv_sec == 0 && timer->it_value.tv_usec == 0;

	return is_waiting ? timer->it_interval : timer->it_value;
}

struct itimers_answers {
	uint64_t timers;
};

static void itimers_query(struct dump *d, struct script *s, void *ret_answers)
{
	struct itimers_answers *at = ret_answers;

	(void)d;
	at->timers = script_out(s, TIMER_COUNT * sizeof(struct itimerval));
	for (size_t i = 0; i < TIMER_COUNT; i++)
		(void)script_syscall(s, "get interval timer", 0, SYS_getitimer, i,
				     at->timers + i * sizeof(struct itimerval));
}

static int itimers_dump(struct dump *d, struct err *err)
{
	struct itimers_rec rec = { .timers = { { .left_s = le64_make(0) } } };
	const struct itimers_answers *at;
	const struct itimerval *timers;
	bool is_set = false;

	if (!d->thread)
		return 0;
	at = dump_answers(d, &kind_itimers);
	timers = script_output(d->script, at->timers, TIMER_COUNT * sizeof(*timers), err);
	if (!timers)
		return err->code;
	for (size_t i = 0; i < TIMER_COUNT; i++) {
		struct timeval left = time_left(&timers[i]);

		rec.timers[i].interval_s = le64_make((uint64_t)timers[i].it_interval.tv_sec);
		rec.timers[i].interval_us = le64_make((uint64_t)timers[i].it_interval.tv_usec);
		rec.timers[i].left_s = le64_make((uint64_t)left.tv_sec);
		rec.timers[i].left_us = le64_make((uint64_t)left.tv_usec);
		is_set |= left.tv_sec != 0 || left.tv_usec != 0;
	}
	if (is_set)
		dump_record(d, d->task->id, &kind_itimers, &rec, sizeof(rec));
	return 0;
}

static bool is_time(le64 seconds, le64 microseconds)
{
	return les64_get(seconds) >= 0 && le64_get(microseconds) < 1000000;
}

static int itimers_check(const void *body, size_t length, struct err *err)
{
	const struct itimers_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "itimers: %zu bytes", length);
	for (size_t i = 0; i < TIMER_COUNT; i++) {
		if (!is_time(rec->timers[i].interval_s, rec->timers[i].interval_us) ||
		    !is_time(rec->timers[i].left_s, rec->timers[i].left_us))
			return err_set(err, ERR_DAMAGED, "itimers: impossible time in timer %zu",
				       i);
	}
	return 0;
}

static int itimers_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	const struct itimers_rec *rec = record->body;
	int r = script_room(script, TIMER_COUNT, TIMER_COUNT * 64, err);

	(void)rs;
	if (r < 0)
		return r;
	for (size_t i = 0; i < TIMER_COUNT; i++) {
		const struct itimerval timer = {
			.it_interval = { .tv_sec = les64_get(rec->timers[i].interval_s),
					 .tv_usec = les64_get(rec->timers[i].interval_us) },
			.it_value = { .tv_sec = les64_get(rec->timers[i].left_s),
				      .tv_usec = les64_get(rec->timers[i].left_us) },
		};

		if (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0)
			continue;
		(void)script_syscall(script, set_names[i], 0, SYS_setitimer, i,
				     script_copy(script, &timer, sizeof(timer)), 0);
	}
	return 0;
}

const struct kind kind_itimers = {
	.name = "itimers",
	.summary = "interval timers",
	.tag = TAG('I', 'T', 'I', 'M'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LIMITS,
	.answers_size = sizeof(struct itimers_answers),
	.query = itimers_query,
	.dump = itimers_dump,
	.check = itimers_check,
	.link = owner_link_task,
	.finish = itimers_finish,
};
