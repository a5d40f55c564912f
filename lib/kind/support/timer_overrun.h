/* Overruns of timers that are still to be told, timer_getoverrun(2): of a signal that was taken,
 * which the task says, or of one that waits. */
#pragma once

#include "kind/kind.h"
#include "kind/support/timer_list.h"

/* Does its signal wait, in the process' queue or that of a thread? */
bool timer_signal_waits(const struct dump_task *task, const struct timer_line *line);
