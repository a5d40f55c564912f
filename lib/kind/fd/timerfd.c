/* timerfd: a timer behind a descriptor. Time stands still for it while it is in an image, but for
 * timers set to a date: these go off at that date. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/alarm.h"
#include "kind/support/files.h"
#include "restore/open.h"

/* linux/timerfd.h does not go together with fcntl.h. */
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

extern const struct kind kind_timerfd;

#define NANOSECONDS 1000000000ull

RECORDS_BEGIN
struct timerfd_rec {
	le64 ticks;   /* expirations not read yet */
	le64 value_s; /* time left, or the date; both zero: disarmed */
	le64 interval_s;
	le32 value_ns;
	le32 interval_ns;
	le32 clock;
	le32 flags;
	le32 settime_flags; /* TFD_TIMER_* as the program set it */
	le32 is_date;	    /* 0 or 1: the value is a date of CLOCK_REALTIME */
};
RECORDS_END
static_assert(sizeof(struct timerfd_rec) == 48, "image format");

static bool timerfd_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:[timerfd]") == 0;
}

/* "name: (seconds, nanoseconds)" */
static bool time_field(const char *fdinfo, const char *name, struct timespec *ret_time)
{
	const char *at = strstr(fdinfo, name);
	unsigned long long seconds;
	unsigned long nanoseconds;

	if (!at || sscanf(at + strlen(name), ": (%llu, %lu)", &seconds, &nanoseconds) != 2)
		return false;
	*ret_time = (struct timespec){ (time_t)seconds, (long)nanoseconds };
	return true;
}

static bool is_wall_clock(uint64_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
}

/* The kernel shows the time left; a timer set to a date is kept as the date. */
static void make_date(struct timespec *value)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	value->tv_sec += now.tv_sec;
	value->tv_nsec += now.tv_nsec;
	if (value->tv_nsec >= (long)NANOSECONDS) {
		value->tv_nsec -= (long)NANOSECONDS;
		value->tv_sec++;
	}
}

static int timerfd_dump(struct dump *d, struct err *err)
{
	const char *fdinfo = d->fd->fdinfo;
	uint64_t settime_flags;
	struct timespec interval;
	struct timespec value;
	bool is_date;
	uint64_t clock;
	uint64_t ticks;

	if (file_block_extras(d))
		return 0;
	if (!procfs_field(fdinfo, "clockid", 10, &clock) ||
	    !procfs_field(fdinfo, "ticks", 10, &ticks) ||
	    !procfs_field(fdinfo, "settime flags", 8, &settime_flags) ||
	    !time_field(fdinfo, "it_value", &value) ||
	    !time_field(fdinfo, "it_interval", &interval))
		return err_set(err, ERR_HOST, "this kernel does not show timerfds");

	is_date = is_wall_clock(clock) && (settime_flags & TFD_TIMER_ABSTIME) &&
		  (value.tv_sec > 0 || value.tv_nsec > 0);
	if (is_date)
		make_date(&value);
	dump_record(d, d->fd->id, &kind_timerfd,
		    &(struct timerfd_rec){
			.ticks = le64_make(ticks),
			.value_s = le64_make((uint64_t)value.tv_sec),
			.interval_s = le64_make((uint64_t)interval.tv_sec),
			.value_ns = le32_make((uint32_t)value.tv_nsec),
			.interval_ns = le32_make((uint32_t)interval.tv_nsec),
			.clock = le32_make((uint32_t)clock),
			.flags = le32_make(file_flags(d->fd)),
			.settime_flags = le32_make((uint32_t)settime_flags),
			.is_date = le32_make(is_date),
		    },
		    sizeof(struct timerfd_rec));
	return 0;
}

static bool is_timer_clock(uint32_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

static int timerfd_check(const void *body, size_t length, struct err *err)
{
	const struct timerfd_rec *rec = body;
	uint32_t settime_flags;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "timerfd: %zu bytes", length);
	settime_flags = le32_get(rec->settime_flags);
	if (!file_flags_are_valid(le32_get(rec->flags)) || le32_get(rec->is_date) > 1 ||
	    (settime_flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) != 0)
		return err_set(err, ERR_DAMAGED, "timerfd: unknown bits");
	if (!is_timer_clock(le32_get(rec->clock)))
		return err_set(err, ERR_DAMAGED, "timerfd: unknown clock %u", le32_get(rec->clock));
	if (le32_get(rec->is_date) && !is_wall_clock(le32_get(rec->clock)))
		return err_set(err, ERR_DAMAGED, "timerfd: a date of another clock");
	if (le32_get(rec->value_ns) >= NANOSECONDS || le32_get(rec->interval_ns) >= NANOSECONDS ||
	    le64_get(rec->value_s) > INT64_MAX || le64_get(rec->interval_s) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "timerfd: impossible time");
	return 0;
}

static int timerfd_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct timerfd_rec *rec = record->body;

	(void)image;
	(void)err;
	alarm_ask(plan, record->id, 0, le32_get(rec->clock));
	return 0;
}

static struct itimerspec timerfd_times(const struct timerfd_rec *rec)
{
	return (struct itimerspec){
		.it_value = { (time_t)le64_get(rec->value_s), (long)le32_get(rec->value_ns) },
		.it_interval = { (time_t)le64_get(rec->interval_s),
				 (long)le32_get(rec->interval_ns) },
	};
}

static bool is_zero(const struct timespec *time)
{
	return time->tv_sec == 0 && time->tv_nsec == 0;
}

static int set_timer(int fd, const struct timerfd_rec *rec, struct err *err)
{
	struct itimerspec times = timerfd_times(rec);
	struct pollfd expiry = { .fd = fd, .events = POLLIN };
	int flags = le32_get(rec->is_date) ? (int)le32_get(rec->settime_flags) : 0;
	bool is_due = is_zero(&times.it_value) && !is_zero(&times.it_interval);

	/* A periodic timer that went off is only armed again when it is read. */
	if (is_due)
		times.it_value.tv_nsec = 1;
	if (syscall(SYS_timerfd_settime, fd, flags, &times, NULL) < 0)
		return err_set(err, -errno, "set timerfd");
	if (is_due && poll(&expiry, 1, -1) < 0)
		return err_set(err, -errno, "wait for timerfd");
	return 0;
}

static int timerfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct timerfd_rec *rec = record->body;
	uint64_t ticks = le64_get(rec->ticks);
	auto_close int fd = -1;
	int r;

	fd = (int)syscall(SYS_timerfd_create, alarm_clock(le32_get(rec->clock)), TFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "create timerfd");
	r = set_timer(fd, rec, err);
	if (r < 0)
		return r;
	/* Setting the timer has cleared them. */
	if (ticks > 0 && ioctl(fd, TFD_IOC_SET_TICKS, &ticks) < 0)
		restore_note(rs, "%" PRIu64 " expirations of a timerfd are lost: %s", ticks,
			     strerror(errno));
	r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_timerfd = {
	.name = "timerfd",
	.summary = "timers behind descriptors",
	.tag = TAG('T', 'M', 'F', 'D'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = timerfd_match,
	.dump = timerfd_dump,
	.check = timerfd_check,
	.ask = timerfd_ask,
	.restore = timerfd_restore,
};
