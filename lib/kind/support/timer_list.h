/* The text of /proc/PID/timers, proc(5). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct timer_line {
	uint32_t id;
	int signal;
	uint64_t value;
	int notify; /* SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD or SIGEV_THREAD_ID */
	pid_t pid;  /* that is notified: a thread for SIGEV_THREAD_ID, outer */
	int clock;  /* as of timer_create(2) */
};

/* Timers by rising id. Owned by the caller. */
int timer_list_parse(const char *text, struct timer_line **ret_timers, size_t *ret_count,
		     struct err *err);
