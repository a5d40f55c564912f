/* The text of /proc/PID/timers. See timer_list.h. */
#include "kind/support/timer_list.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"

static bool take_notify(const char **at, int *ret_notify)
{
	if (scan_text(at, "signal/"))
		*ret_notify = SIGEV_SIGNAL;
	else if (scan_text(at, "none/"))
		*ret_notify = SIGEV_NONE;
	else if (scan_text(at, "thread/"))
		*ret_notify = SIGEV_THREAD;
	else
		return false;
	if (scan_text(at, "pid."))
		return true;
	*ret_notify |= SIGEV_THREAD_ID;
	return scan_text(at, "tid.");
}

static bool take_timer(const char **at, struct timer_line *timer)
{
	uint64_t id;
	int64_t signal, pid, clock;

	if (!scan_text(at, "ID: ") || !scan_number(at, 10, INT_MAX, &id) ||
	    !scan_text(at, "\nsignal: ") || !scan_signed(at, 0, INT_MAX, &signal) ||
	    !scan_char(at, '/') || !scan_number(at, 16, UINT64_MAX, &timer->value) ||
	    !scan_text(at, "\nnotify: ") || !take_notify(at, &timer->notify) ||
	    !scan_signed(at, 0, INT_MAX, &pid) || !scan_text(at, "\nClockID: ") ||
	    !scan_signed(at, INT_MIN, INT_MAX, &clock) || !scan_char(at, '\n'))
		return false;
	timer->id = (uint32_t)id;
	timer->signal = (int)signal;
	timer->pid = (pid_t)pid;
	timer->clock = (int)clock;
	return true;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = ((const struct timer_line *)a)->id;
	uint32_t y = ((const struct timer_line *)b)->id;

	return (x > y) - (x < y);
}

int timer_list_parse(const char *text, struct timer_line **ret_timers, size_t *ret_count,
		     struct err *err)
{
	auto_free struct timer_line *timers = NULL;
	size_t count = 0;

	while (*text) {
		array_grow(timers, count);
		if (!take_timer(&text, &timers[count]))
			return err_set(err, ERR_FAILED, "timers: line \"%.40s\" is not known",
				       text);
		count++;
	}
	if (count > 1)
		qsort(timers, count, sizeof(*timers), compare);
	*ret_timers = take_ptr(timers);
	*ret_count = count;
	return 0;
}
