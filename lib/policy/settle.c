/* What can be decided only when all questions were asked. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"

#define HINT_FORGED "the image is not one that ctckpt wrote"

static int compare_names(const void *a, const void *b)
{
	const struct plan_name *one = a;
	const struct plan_name *other = b;

	if (one->id != other->id)
		return one->id < other->id ? -1 : 1;
	return one->order < other->order ? -1 : one->order > other->order;
}

/* The second of two questions with one key would go unanswered. */
static void settle_repeated(struct plan *plan)
{
	for (size_t i = 1; i < plan->decision_count; i++) {
		struct decision *last = plan_indexed(plan, i - 1);
		struct decision *decision = plan_indexed(plan, i);

		if (last->class == decision->class && last->id == decision->id &&
		    last->detail == decision->detail && last->saved != decision->saved)
			decision_refuse(decision, "the image has two values for it", HINT_FORGED);
	}
}

/* A soft limit may not pass the hard one, whatever came out of that. */
static void settle_limits(struct plan *plan)
{
	size_t i = plan_index_find(plan, CLASS_RLIMIT, 0, 0);

	for (; i + 1 < plan->decision_count; i++) {
		struct decision *soft = plan_indexed(plan, i);
		const struct decision *hard = plan_indexed(plan, i + 1);

		if (soft->class != CLASS_RLIMIT)
			return;
		if (soft->detail % 2 != 0 || hard->class != CLASS_RLIMIT || hard->id != soft->id ||
		    hard->detail != soft->detail + 1)
			continue;
		if (soft->saved > hard->saved)
			decision_refuse(soft, "the soft limit is above the hard one", HINT_FORGED);
		else if (soft->effective > hard->effective)
			soft->effective = hard->effective;
	}
}

/* Where a policy tells the sets apart, one may come out lower than another that depends on it. */
static void settle_set(struct decision *set, uint64_t most)
{
	if (!set || set->outcome == OUTCOME_REFUSE || (set->effective & ~most) == 0)
		return;
	set->effective &= most;
	set->outcome = OUTCOME_CLAMP;
	set->reason = "what is not permitted cannot be in it";
}

static void settle_dependent_sets(struct decision *const sets[5])
{
	uint64_t permitted = sets[1] ? sets[1]->effective : 0;
	uint64_t inheritable = sets[0] ? sets[0]->effective : 0;

	settle_set(sets[2], permitted);
	settle_set(sets[4], permitted & inheritable);
}

/* What capset(2) and PR_CAP_AMBIENT would refuse. */
static void settle_caps_of(struct decision *const sets[5])
{
	uint64_t permitted = sets[1] ? sets[1]->saved : 0;
	uint64_t inheritable = sets[0] ? sets[0]->saved : 0;

	if (sets[2] && sets[2]->saved & ~permitted)
		decision_refuse(sets[2], "effective capabilities that are not permitted",
				HINT_FORGED);
	if (sets[4] && sets[4]->saved & ~(permitted & inheritable))
		decision_refuse(sets[4], "ambient capabilities that are not inheritable",
				HINT_FORGED);
	settle_dependent_sets(sets);
}

static void settle_caps(struct plan *plan)
{
	size_t i = plan_index_find(plan, CLASS_CAPS, 0, 0);

	while (i < plan->decision_count && plan_indexed(plan, i)->class == CLASS_CAPS) {
		struct decision *sets[5] = { NULL };
		uint32_t id = plan_indexed(plan, i)->id;

		for (; i < plan->decision_count; i++) {
			struct decision *decision = plan_indexed(plan, i);

			if (decision->class != CLASS_CAPS || decision->id != id)
				break;
			if (decision->detail < 5)
				sets[decision->detail] = decision;
		}
		settle_caps_of(sets);
	}
}

/* A mask that has nothing in common with ours would be refused by the kernel as empty. */
static void settle_affinity(struct plan *plan)
{
	size_t i = plan_index_find(plan, CLASS_AFFINITY, 0, 0);

	while (i < plan->decision_count && plan_indexed(plan, i)->class == CLASS_AFFINITY) {
		uint32_t id = plan_indexed(plan, i)->id;
		uint64_t any = 0;
		size_t end = i;

		for (; end < plan->decision_count; end++) {
			const struct decision *decision = plan_indexed(plan, end);

			if (decision->class != CLASS_AFFINITY || decision->id != id)
				break;
			any |= decision->effective;
		}
		for (; i < end; i++) {
			struct decision *decision = plan_indexed(plan, i);

			if (any != 0 || decision->outcome == OUTCOME_REFUSE ||
			    decision->outcome == OUTCOME_RECORD)
				continue;
			decision->outcome = OUTCOME_INHERIT;
			decision->effective = decision->invoker;
			decision->reason = "the invoker may use none of these CPUs";
		}
	}
}

/* A real-time policy needs a priority, and only such a one has a use for it. */
static void settle_real_time(struct plan *plan)
{
	size_t i = plan_index_find(plan, CLASS_RT_PRIORITY, 0, 0);

	for (; i < plan->decision_count; i++) {
		struct decision *priority = plan_indexed(plan, i);
		size_t place = plan_index_find(plan, CLASS_SCHED, priority->id, 0);
		struct decision *sched =
		    place < plan->decision_count ? plan_indexed(plan, place) : NULL;
		uint64_t policy;

		if (priority->class != CLASS_RT_PRIORITY)
			return;
		if (!sched || sched->class != CLASS_SCHED || sched->id != priority->id)
			continue;
		policy = sched->effective & ~(uint64_t)SCHED_RESET_ON_FORK;
		if (policy != SCHED_FIFO && policy != SCHED_RR && priority->effective != 0) {
			priority->effective = 0;
			priority->outcome = OUTCOME_DROP;
			priority->from_outside = false;
		} else if (priority->effective == 0 && priority->outcome == OUTCOME_DROP &&
			   (policy == SCHED_FIFO || policy == SCHED_RR)) {
			sched->effective ^= policy ^ SCHED_OTHER;
			sched->outcome = OUTCOME_DROP;
			sched->from_outside = false;
		}
	}
}

static void settle_tasks(struct plan *plan)
{
	for (size_t i = 0; i < plan->decision_count; i++) {
		struct decision *decision = &plan->decisions[i];
		const struct plan_name *name = plan_name_of(plan, decision->id);
		const struct plan_name *task = name ? plan_name_of(plan, name->task) : NULL;

		decision->task = name ? name->task : 0;
		decision->pid = task ? task->pid : 0;
		decision->comm = task ? task->comm : NULL;
	}
}

/* What was added since, by ids, belongs to the container. */
static void decide_all(struct plan *plan)
{
	for (size_t i = 0; i < plan->decision_count; i++) {
		policy_decide(plan->policy, &plan->facts, &plan->decisions[i]);
		bound_narrow(plan->facts.bound, &plan->decisions[i]);
	}
}

void plan_settle(struct plan *plan)
{
	if (plan->name_count > 0)
		qsort(plan->names, plan->name_count, sizeof(*plan->names), compare_names);
	settle_tasks(plan);
	decide_all(plan);
	plan_settle_ids(plan); /* adds decisions */
	plan_make_index(plan);
	settle_repeated(plan);
	settle_limits(plan);
	settle_caps(plan);
	settle_affinity(plan);
	settle_real_time(plan);
}
