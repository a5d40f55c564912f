/* The reaper's thread is gone, for the kernel too, once it was stopped. */
#include "freeze/reaper.h"

#include <sched.h>

#include "freeze/deadline.h"
#include "unit.h"

static void alone_after_it(struct unit *unit)
{
	for (int i = 0; i < 2000; i++) {
		struct reaper reaper = REAPER_NONE;

		reaper_start(&reaper, clock_us() + 1000000);
		EXPECT(unit, reaper.end >= 0);
		reaper_stop(&reaper);
		/* Does nothing, but not for a process with two threads. */
		EXPECT(unit, unshare(CLONE_THREAD) == 0);
	}
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(alone_after_it) };

	return UNIT_RUN(cases);
}
