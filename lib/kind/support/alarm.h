/* Clocks whose timers wake the machine up: ordinary ones take their place. */
#pragma once

#include <time.h>

#include "kind/kind.h"

/* Asks about timer `detail` of an object, if it runs by such a clock. */
static inline void alarm_ask(struct plan *plan, uint32_t id, uint32_t detail, uint32_t clock)
{
	if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
		plan_ask(plan, &(struct question){ .class = CLASS_ALARM,
						   .id = id,
						   .detail = detail,
						   .saved = clock,
						   .saved_text = clock == CLOCK_REALTIME_ALARM
								     ? "CLOCK_REALTIME_ALARM"
								     : "CLOCK_BOOTTIME_ALARM",
						   .invoker_text = "-" });
}

/* The clock that a restored timer runs by. */
static inline uint32_t alarm_clock(uint32_t clock)
{
	return clock == CLOCK_REALTIME_ALARM   ? CLOCK_REALTIME
	       : clock == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME
					       : clock;
}
