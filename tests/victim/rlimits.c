/* rlimits: all 16, each with a soft and a hard value of its own. With the argument `clamped`, the
 * invoker of the restore has a lower hard limit on descriptors; with `used`, a second of processor
 * time is used up before the checkpoint. */
#include <sys/resource.h>

#include "victim.h"

enum { CLAMP = 256 };

static struct rlimit wanted[RLIM_NLIMITS];

static void choose(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now;

	EXPECT(getrlimit(resource, &now) == 0);
	if (hard > now.rlim_max)
		hard = now.rlim_max;
	if (soft > hard)
		soft = hard;
	wanted[resource] = (struct rlimit){ soft, hard };
	EXPECT(setrlimit(resource, &wanted[resource]) == 0);
}

int main(int argc, char **argv)
{
	bool is_clamped = argc > 1 && strcmp(argv[1], "clamped") == 0;
	bool is_used = argc > 1 && strcmp(argv[1], "used") == 0;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		EXPECT(getrlimit(i, &wanted[i]) == 0);
	choose(RLIMIT_CPU, 3000, 4000);
	choose(RLIMIT_FSIZE, 1 << 20, 1 << 21);
	choose(RLIMIT_DATA, 1ul << 32, 1ul << 33);
	choose(RLIMIT_STACK, 1 << 20, 1ul << 30);
	choose(RLIMIT_CORE, 0, 4096);
	choose(RLIMIT_RSS, 1ul << 33, 1ul << 34);
	choose(RLIMIT_NOFILE, is_clamped ? CLAMP + 10 : 100, CLAMP + 44);
	choose(RLIMIT_MEMLOCK, 4096, 8192);
	choose(RLIMIT_AS, 1ul << 40, 1ul << 41);
	choose(RLIMIT_LOCKS, 77, 78);
	choose(RLIMIT_SIGPENDING, 20, 21);
	choose(RLIMIT_MSGQUEUE, 1000, 2000);
	choose(RLIMIT_RTTIME, 5000000, 6000000);
	choose(RLIMIT_NICE, 0, 0);
	choose(RLIMIT_RTPRIO, 0, 0);
	while (is_used && clock() < 1100 * (CLOCKS_PER_SEC / 1000))
		;
	wait_for_restore();
	if (is_used)
		wanted[RLIMIT_CPU] = (struct rlimit){ 2999, 3999 };
	if (is_clamped)
		wanted[RLIMIT_NOFILE] = (struct rlimit){ CLAMP, CLAMP };
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit now;

		EXPECT(getrlimit(i, &now) == 0);
		if (now.rlim_cur != wanted[i].rlim_cur || now.rlim_max != wanted[i].rlim_max)
			victim_fail("limit %d is %ld of %ld, not %ld of %ld", i, (long)now.rlim_cur,
				    (long)now.rlim_max, (long)wanted[i].rlim_cur,
				    (long)wanted[i].rlim_max);
	}
	victim_done();
}
