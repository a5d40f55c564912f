/* The lattices. See lattice.h. */
#include "policy/lattice.h"

#include <linux/securebits.h>
#include <sched.h>
#include <stddef.h>

static bool smaller_leq(uint64_t a, uint64_t b)
{
	return a <= b;
}

static uint64_t smaller_meet(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool larger_leq(uint64_t a, uint64_t b)
{
	return (int64_t)a >= (int64_t)b;
}

static uint64_t larger_meet(uint64_t a, uint64_t b)
{
	return (int64_t)a > (int64_t)b ? a : b;
}

static bool set_leq(uint64_t a, uint64_t b)
{
	return (a & ~b) == 0;
}

static uint64_t set_meet(uint64_t a, uint64_t b)
{
	return a & b;
}

static bool inverted_leq(uint64_t a, uint64_t b)
{
	return (b & ~a) == 0;
}

static uint64_t inverted_meet(uint64_t a, uint64_t b)
{
	return a | b;
}

/* Two of the securebits give, where all others take: they keep capabilities over a change of uid.
 */
#define GIVING_BITS ((uint64_t)(SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP))

static bool securebits_leq(uint64_t a, uint64_t b)
{
	return set_leq(a & GIVING_BITS, b & GIVING_BITS) &&
	       inverted_leq(a & ~GIVING_BITS, b & ~GIVING_BITS);
}

static uint64_t securebits_meet(uint64_t a, uint64_t b)
{
	return (a & b & GIVING_BITS) | ((a | b) & ~GIVING_BITS);
}

/* Two different ids have nothing in common but no id at all. */
static bool same_leq(uint64_t a, uint64_t b)
{
	return a == b || a == ID_NONE;
}

static uint64_t same_meet(uint64_t a, uint64_t b)
{
	return a == b ? a : ID_NONE;
}

/* Scheduling policies by how much they take from others; unknown ones are above all. */
static uint64_t sched_rank(uint64_t policy)
{
	static const uint8_t ranks[] = {
		[SCHED_OTHER] = 2,	 [SCHED_FIFO] = 5,	   [SCHED_RR] = 4,
		[SCHED_BATCH] = 1,	 [SCHED_IDLE] = 0,	   [6 /* SCHED_DEADLINE */] = 6,
		[7 /* SCHED_EXT */] = 3, [4 /* never used */] = 7,
	};

	return policy < sizeof(ranks) ? ranks[policy] : policy;
}

static bool sched_leq(uint64_t a, uint64_t b)
{
	return sched_rank(a) <= sched_rank(b);
}

static uint64_t sched_meet(uint64_t a, uint64_t b)
{
	return sched_leq(a, b) ? a : b;
}

/* No filter, then a filter, then SECCOMP_MODE_STRICT, which is 1; unknown modes below all. */
static uint64_t seccomp_rank(uint64_t mode)
{
	if (mode == 1 || mode == 2)
		return 3 - mode;
	return mode == 0 ? 0 : mode;
}

static bool seccomp_leq(uint64_t a, uint64_t b)
{
	return seccomp_rank(a) >= seccomp_rank(b);
}

static uint64_t seccomp_meet(uint64_t a, uint64_t b)
{
	return seccomp_leq(a, b) ? a : b;
}

#define SIGNED(number) ((uint64_t)(int64_t)(number))

static const struct lattice lattices[CLASS_COUNT] = {
	[CLASS_UID] = { same_leq, same_meet, explain_id, ID_NONE, ID_NONE },
	[CLASS_GID] = { same_leq, same_meet, explain_id, ID_NONE, ID_NONE },
	[CLASS_GROUPS] = { same_leq, same_meet, explain_id, ID_NONE, ID_NONE },
	[CLASS_CAPS] = { set_leq, set_meet, explain_caps, 0, UINT64_MAX },
	[CLASS_SECUREBITS] = { securebits_leq, securebits_meet, explain_securebits, ~GIVING_BITS,
			       GIVING_BITS },
	[CLASS_RLIMIT] = { smaller_leq, smaller_meet, explain_limit, 0, UINT64_MAX },
	[CLASS_NICE] = { larger_leq, larger_meet, explain_signed, SIGNED(INT64_MAX),
			 SIGNED(INT64_MIN) },
	[CLASS_SCHED] = { sched_leq, sched_meet, explain_sched, SCHED_IDLE, UINT64_MAX },
	[CLASS_AFFINITY] = { set_leq, set_meet, explain_cpus, 0, UINT64_MAX },
	[CLASS_MLOCK] = { smaller_leq, smaller_meet, explain_limit, 0, UINT64_MAX },
	[CLASS_OOM_SCORE_ADJ] = { larger_leq, larger_meet, explain_signed, SIGNED(INT64_MAX),
				  SIGNED(INT64_MIN) },
	[CLASS_NO_NEW_PRIVS] = { inverted_leq, inverted_meet, explain_switch, UINT64_MAX, 0 },
	[CLASS_SECCOMP] = { seccomp_leq, seccomp_meet, explain_seccomp, UINT64_MAX, 0 },
	[CLASS_FILE] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_STDIO] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_MOUNT] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_SESSION] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_SOCKET] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_TCP] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
	[CLASS_GRANT] = { same_leq, same_meet, explain_nothing, ID_NONE, ID_NONE },
};

const struct lattice *lattice_of(enum policy_class class)
{
	return (unsigned int)class < CLASS_COUNT ? &lattices[class] : NULL;
}
