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

/* As of ioprio_set(2): idle, best effort, real time, each with its levels, of which 0 is the most;
 * none is a little more than the best effort that it stands for. Unknown ones are above all. */
static uint64_t io_rank(uint64_t value)
{
	uint64_t class = value >> 13;
	uint64_t level = 2 * (7 - (value & 7));
	uint64_t hint = value >> 3 & 0x3ff;

	if (value == 0)
		return (16 + 2 * 3 + 1) << 10;
	switch (class) {
	case 1: /* IOPRIO_CLASS_RT */
		return (level + 32) << 10 | hint;
	case 2: /* IOPRIO_CLASS_BE */
		return (level + 16) << 10 | hint;
	case 3: /* IOPRIO_CLASS_IDLE */
		return level << 10 | hint;
	default:
		return value + (UINT64_C(1) << 20);
	}
}

static bool io_leq(uint64_t a, uint64_t b)
{
	return io_rank(a) <= io_rank(b);
}

static uint64_t io_meet(uint64_t a, uint64_t b)
{
	return io_leq(a, b) ? a : b;
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

/* The least and the greatest of each order. */
static const uint64_t smaller_bottom = 0, smaller_top = UINT64_MAX;
static const uint64_t larger_bottom = INT64_MAX, larger_top = (uint64_t)INT64_MIN;
static const uint64_t set_bottom = 0, set_top = UINT64_MAX;
static const uint64_t inverted_bottom = UINT64_MAX, inverted_top = 0;
static const uint64_t securebits_bottom = ~GIVING_BITS, securebits_top = GIVING_BITS;
static const uint64_t same_bottom = ID_NONE, same_top = ID_NONE;
static const uint64_t sched_bottom = SCHED_IDLE, sched_top = UINT64_MAX;
static const uint64_t io_bottom = 3 << 13 | 7, io_top = UINT64_MAX - (UINT64_C(1) << 20);
static const uint64_t seccomp_bottom = UINT64_MAX, seccomp_top = 0;

#define LATTICE(class, name, key, order, words, ...)                                               \
	[CLASS_##                                                                                  \
	    class] = { order##_leq, order##_meet, explain_##words, order##_bottom, order##_top },
static const struct lattice lattices[CLASS_COUNT] = { POLICY_CLASSES(LATTICE) };

const struct lattice *lattice_of(enum policy_class class)
{
	return (unsigned int)class < CLASS_COUNT ? &lattices[class] : NULL;
}

bool lattice_has_values(enum policy_class class)
{
	const struct lattice *lattice = lattice_of(class);

	return lattice && lattice->bottom != ID_NONE;
}

int outcome_loss(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_KEEP:
	case OUTCOME_MAP:
	case OUTCOME_REOPEN:
	case OUTCOME_INHERIT:
		return 0;
	case OUTCOME_CLAMP:
		return 1;
	case OUTCOME_SUBSTITUTE:
		return 2;
	case OUTCOME_DROP:
		return 3;
	case OUTCOME_RECORD:
		return 4;
	case OUTCOME_REFUSE:
		break;
	}
	return 5;
}
