/* The administrator's say: a second decision lowers the first. See policy.h. */
#include <sched.h>

#include "policy/lattice.h"
#include "policy/policy.h"

static void take_over(struct decision *decision, const struct decision *other)
{
	decision->outcome = other->outcome;
	decision->rule = other->rule;
	decision->reason = other->reason;
	decision->remedy = other->remedy;
	decision->with = other->with;
	decision->effective_text = other->effective_text;
}

/* The flag of a scheduling policy takes from the task only: it stays. */
static uint64_t flag_of(const struct decision *decision)
{
	return decision->class == CLASS_SCHED ? decision->effective & SCHED_RESET_ON_FORK : 0;
}

static void narrow_value(struct decision *decision, const struct decision *other, bool must_keep)
{
	const struct lattice *lattice = lattice_of(decision->class);
	uint64_t flag = flag_of(decision);
	uint64_t own = decision->effective & ~flag;
	uint64_t value = lattice->meet(own, other->effective & ~flag);

	if (value == own)
		return;
	take_over(decision, other);
	decision->effective = value | flag;
	decision->from_outside = other->from_outside;
	if (must_keep)
		decision_refuse(decision, "the policy does not allow less than was saved",
				other->remedy);
}

void decision_narrow(struct decision *decision, const struct decision *other, bool must_keep)
{
	int own = outcome_loss(decision->outcome);
	int theirs = outcome_loss(other->outcome);
	bool is_refused = decision->outcome == OUTCOME_REFUSE || other->outcome == OUTCOME_REFUSE;

	if (lattice_has_values(decision->class) && !is_refused) {
		narrow_value(decision, other, must_keep);
		return;
	}
	if (theirs < own || (theirs == own && other->outcome != OUTCOME_SUBSTITUTE))
		return;
	take_over(decision, other);
	decision->effective = other->effective;
}
