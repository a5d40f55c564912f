/* ns_time: the clocks that count from the boot. A restored container goes on where it was, by the
 * offsets of a time namespace, so that no deadline of its programs lies years away or long past. */
#include <sys/syscall.h>
#include <time.h>

#include "container/parts.h"
#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/tree.h"

extern const struct kind kind_ns_time;

static uint64_t nanoseconds(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

static int ns_time_dump(struct dump *d, struct err *err)
{
	struct dump_task *task = dump_ns_task(d, NAMESPACE_TIME);
	auto_script struct script script = SCRIPT_NONE;
	const struct timespec *times;
	struct time_rec rec;
	uint64_t at;
	int r;

	if (!task) /* nobody sees them */
		return 0;
	script_init(&script, &task->threads[0].remote);
	at = script_out(&script, 2 * sizeof(*times));
	(void)script_syscall(&script, "read CLOCK_MONOTONIC", 0, SYS_clock_gettime, CLOCK_MONOTONIC,
			     at);
	(void)script_syscall(&script, "read CLOCK_BOOTTIME", 0, SYS_clock_gettime, CLOCK_BOOTTIME,
			     at + sizeof(*times));
	r = script_run(&script, err);
	if (r < 0)
		return r;
	times = script_output(&script, at, 2 * sizeof(*times), err);
	if (!times)
		return err->code;
	rec = (struct time_rec){ .monotonic_ns = le64_make(nanoseconds(&times[0])),
				 .boottime_ns = le64_make(nanoseconds(&times[1])) };
	dump_record(d, dump_ns_id(d), &kind_ns_time, &rec, sizeof(rec));
	return 0;
}

static int ns_time_check(const void *body, size_t length, struct err *err)
{
	const struct time_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "ns_time: %zu bytes", length);
	/* The kernel's own limit on clocks is half of what 64 bits of nanoseconds hold. */
	if (le64_get(rec->monotonic_ns) > INT64_MAX / 2 ||
	    le64_get(rec->boottime_ns) > INT64_MAX / 2)
		return err_set(err, ERR_DAMAGED, "ns_time: impossible clock");
	return 0;
}

static int64_t difference(clockid_t clock, le64 wanted)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)(le64_get(wanted) - nanoseconds(&now));
}

/* The container's own was made with the container. */
static int ns_time_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct time_rec *rec = record->body;

	if (!namespace_find(rs->image, record->id))
		return 0;
	return timens_set_offsets(difference(CLOCK_MONOTONIC, rec->monotonic_ns),
				  difference(CLOCK_BOOTTIME, rec->boottime_ns), err);
}

const struct kind kind_ns_time = {
	.name = "ns_time",
	.summary = "CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where they were",
	.needs = "time_namespace",
	.tag = TAG_TIME,
	.scope = SCOPE_CONTAINER,
	.phase = PHASE_NAMESPACES,
	.namespace = NAMESPACE_TIME,
	.dump = ns_time_dump,
	.check = ns_time_check,
	.restore = ns_time_restore,
};
