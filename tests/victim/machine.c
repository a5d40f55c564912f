/* machine: the kernel's own code in a program's memory is called, on both sides. */
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>

#include "victim.h"

static void call_vdso(void)
{
	struct timespec now;
	struct timeval old_time;
	unsigned int cpu;

	EXPECT(clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 1600000000);
	EXPECT(clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 && now.tv_sec > 1600000000);
	EXPECT(clock_getres(CLOCK_MONOTONIC, &now) == 0);
	EXPECT(gettimeofday(&old_time, NULL) == 0 && old_time.tv_sec > 1600000000);
	EXPECT(getcpu(&cpu, NULL) == 0 && time(NULL) > 1600000000);
}

int main(void)
{
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR);

	call_vdso();
	wait_for_restore();
	EXPECT(getauxval(AT_SYSINFO_EHDR) == vdso);
	EXPECT(vdso == 0 || memcmp((void *)vdso, "\177ELF", 4) == 0);
	call_vdso();
	victim_done();
}
