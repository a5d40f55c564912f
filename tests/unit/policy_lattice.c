/* The laws of the lattices, over every pair and triple of values that matter to a class. */
#include <inttypes.h>
#include <stddef.h>

#include "policy/lattice.h"
#include "policy_check.h"

#define SIGNED(number) ((uint64_t)(int64_t)(number))
#define VALUES_MAX     24

struct samples {
	enum policy_class class;
	size_t count;
	uint64_t values[VALUES_MAX];
};

static const struct samples samples[] = {
	{ CLASS_UID, 6, { 0, 1, 1000, 65534, 100000, ID_NONE } },
	{ CLASS_GID, 6, { 0, 1, 1000, 65534, 100000, ID_NONE } },
	{ CLASS_GROUPS, 6, { 0, 1, 1000, 65534, 100000, ID_NONE } },
	{ CLASS_CAPS, 8, { 0, 1, 2, 3, 0x1ffffffffff, 0x3ffffffffff, UINT64_MAX, 1 << 21 } },
	{ CLASS_SECUREBITS, 12, { 0, 1, 2, 3, 4, 0x10, 0x30, 0x40, 0xff, 0x100, 0xfff, 0x14 } },
	{ CLASS_RLIMIT, 6, { 0, 1, 1023, 1024, UINT64_MAX - 1, UINT64_MAX } },
	{ CLASS_NICE, 6, { SIGNED(-20), SIGNED(-1), 0, 1, 10, 19 } },
	{ CLASS_SCHED, 9, { 0, 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ CLASS_RT_PRIORITY, 5, { 0, 1, 50, 98, 99 } },
	{ CLASS_IOPRIO,
	  13,
	  { 0, 0x2000, 0x2003, 0x2007, 0x4000, 0x4003, 0x4004, 0x4007, 0x6000, 0x6007, 0x4008,
	    0x8000, 0xffff } },
	{ CLASS_AFFINITY, 6, { 0, 1, 3, 0xf, UINT64_MAX, 1ull << 63 } },
	{ CLASS_MLOCK, 5, { 0, 4096, 65536, 8 << 20, UINT64_MAX } },
	{ CLASS_OOM_SCORE_ADJ, 5, { SIGNED(-1000), SIGNED(-1), 0, 1, 1000 } },
	{ CLASS_NO_NEW_PRIVS, 2, { 0, 1 } },
	{ CLASS_SECCOMP, 5, { 0, 1, 2, 3, 4 } },
	{ CLASS_DUMPABLE, 2, { 0, 1 } },
	{ CLASS_SETID, 2, { 0, 1 } },
	{ CLASS_LSM, 3, { 0, 1, ID_NONE } },
	{ CLASS_LOGINUID, 3, { 0, 1, ID_NONE } },
	{ CLASS_KEYRING, 3, { 0, 1, ID_NONE } },
	{ CLASS_CGROUP, 4, { 0, 1, 100, UINT64_MAX } },
	{ CLASS_FILE, 4, { 0, 2, 13, ID_NONE } },
	{ CLASS_DEVICE, 3, { 0, 1, ID_NONE } },
	{ CLASS_PTY, 3, { 0, 1, ID_NONE } },
	{ CLASS_PORT, 3, { 0, 1, ID_NONE } },
	{ CLASS_RAW, 3, { 0, 1, ID_NONE } },
	{ CLASS_PACKET, 3, { 0, 1, ID_NONE } },
	{ CLASS_STDIO, 3, { 0, 1, ID_NONE } },
	{ CLASS_MOUNT, 3, { 0, 1, ID_NONE } },
	{ CLASS_SESSION, 3, { 0, 1, ID_NONE } },
	{ CLASS_SOCKET, 3, { 0, 1, ID_NONE } },
	{ CLASS_TCP, 3, { 0, 1, ID_NONE } },
	{ CLASS_ALARM, 3, { 0, 1, ID_NONE } },
	{ CLASS_CPU, 3, { 0, 1, 2 } },
	{ CLASS_FILE_SYSTEM, 3, { 0, 1, 2 } },
	{ CLASS_LOSS, 3, { 0, 1, ID_NONE } },
	{ CLASS_LANDLOCK, 3, { 0, 1, ID_NONE } },
	{ CLASS_GRANT, 3, { 0, 1, ID_NONE } },
};

static bool pair_holds(const struct lattice *l, uint64_t a, uint64_t b)
{
	uint64_t meet = l->meet(a, b);

	return meet == l->meet(b, a) && l->leq(meet, a) && l->leq(meet, b) &&
	       l->leq(a, b) == (meet == a) && (a == b || !l->leq(a, b) || !l->leq(b, a));
}

/* Associative; and the meet is the greatest of what is no more than both. */
static bool triple_holds(const struct lattice *l, uint64_t a, uint64_t b, uint64_t c)
{
	if (l->meet(l->meet(a, b), c) != l->meet(a, l->meet(b, c)))
		return false;
	return !l->leq(c, a) || !l->leq(c, b) || l->leq(c, l->meet(a, b));
}

static bool laws_hold(const struct samples *set)
{
	const struct lattice *l = lattice_of(set->class);

	for (size_t i = 0; i < set->count; i++) {
		uint64_t a = set->values[i];

		if (l->meet(a, a) != a || !l->leq(a, a) || !l->leq(l->bottom, a))
			return false;
		if (l->top != ID_NONE && (!l->leq(a, l->top) || l->meet(a, l->top) != a))
			return false;
		for (size_t j = 0; j < set->count; j++) {
			if (!pair_holds(l, a, set->values[j]))
				return false;
			for (size_t k = 0; k < set->count; k++) {
				if (!triple_holds(l, a, set->values[j], set->values[k]))
					return false;
			}
		}
	}
	return true;
}

static bool all_have_samples(void)
{
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		if (class >= sizeof(samples) / sizeof(samples[0]) || samples[class].class != class)
			return false;
	}
	return true;
}

static bool less_is(enum policy_class class, uint64_t less, uint64_t more)
{
	const struct lattice *l = lattice_of(class);

	return l->leq(less, more) && !l->leq(more, less) && l->meet(more, less) == less;
}

int main(void)
{
	struct checks checks = { 0 };
	const size_t count = sizeof(samples) / sizeof(samples[0]);

	for (size_t i = 0; i < count; i++)
		check_case(&checks, policy_class_name(samples[i].class), laws_hold(&samples[i]));
	check_case(&checks, "every class has samples", all_have_samples());
	check_case(&checks, "no lattice behind the last", !lattice_of(CLASS_COUNT));
	check_case(&checks, "a lower limit is less", less_is(CLASS_RLIMIT, 7, UINT64_MAX));
	check_case(&checks, "nicer is less", less_is(CLASS_NICE, 19, SIGNED(-20)));
	check_case(&checks, "sooner killed is less", less_is(CLASS_OOM_SCORE_ADJ, 5, SIGNED(-5)));
	check_case(&checks, "more locks are less", less_is(CLASS_SECUREBITS, 0xc3, 0x3));
	check_case(&checks, "not keeping capabilities is less", less_is(CLASS_SECUREBITS, 0, 0x10));
	check_case(&checks, "no_new_privs is less", less_is(CLASS_NO_NEW_PRIVS, 1, 0));
	check_case(&checks, "real time is more", less_is(CLASS_SCHED, 0, 1));
	check_case(&checks, "idle is less", less_is(CLASS_SCHED, 5, 0));
	check_case(&checks, "a filter is less than none", less_is(CLASS_SECCOMP, 2, 0));
	check_case(&checks, "strict seccomp is least", less_is(CLASS_SECCOMP, 1, 2));
	check_case(&checks, "ids are not comparable",
		   !lattice_of(CLASS_UID)->leq(0, 1) && !lattice_of(CLASS_UID)->leq(1, 0));
	return checks.failed != 0;
}
