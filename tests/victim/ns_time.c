/* ns_time: clocks that count from the boot go on where they were: by call, by vdso, in /proc. The
 * time between checkpoint and restore is not there. */
#include <sys/syscall.h>

#include "victim.h"

enum { CLOCKS = 5 };

static const clockid_t clocks[CLOCKS] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW,
					  CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME };

static int64_t read_clock(clockid_t clock, bool by_call)
{
	struct timespec time;
	long r = by_call ? syscall(SYS_clock_gettime, clock, &time) : clock_gettime(clock, &time);

	EXPECT(r == 0);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(void)
{
	int64_t before[CLOCKS];

	for (int i = 0; i < CLOCKS; i++)
		before[i] = read_clock(clocks[i], false);
	wait_for_restore();
	for (int i = 0; i < CLOCKS; i++) {
		int64_t call = read_clock(clocks[i], true) - before[i];
		int64_t vdso = read_clock(clocks[i], false) - before[i];

		if (call < 0 || vdso < call - 10000000 || call > 60000000000)
			victim_fail("clock %d went on by %ld ns by call, %ld by vdso", clocks[i],
				    (long)call, (long)vdso);
	}
	victim_done();
}
