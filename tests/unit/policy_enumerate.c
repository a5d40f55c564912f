/* By enumeration: every capability, limit and scheduling value, saved or not, with what the invoker
 * has or lacks, under every preset and under rules of a file; compared with what is easy to say
 * without a lattice. */
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "policy/lattice.h"
#include "policy/plan_private.h"
#include "policy_check.h"

#define CAPS	       41
#define BIT(number)    (UINT64_C(1) << (number))
#define SIGNED(number) ((uint64_t)(int64_t)(number))

static const char *const presets[] = { "strict", "map", "same-host" };
enum { STRICT, MAP, SAME_HOST, PRESETS };

static const struct policy *preset(int number)
{
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (policy_preset(presets[number], &policy, &err) < 0)
		abort();
	return policy;
}

static struct decision decide(const struct policy *policy, const struct host_facts *facts,
			      enum policy_class class, uint32_t detail, uint64_t saved)
{
	struct decision decision = { .class = class, .id = 1, .detail = detail, .saved = saved };

	policy_decide(policy, facts, &decision);
	return decision;
}

/* ---- capabilities ---- */

static const struct policy_rule *choose_rule(const struct policy *policy,
					     const struct decision *decision)
{
	(void)decision;
	return policy->file;
}

/* Permitted and bounding are what the invoker has of each capability. */
static bool caps_hold(int number, unsigned int cap, bool is_saved, bool has, bool no_new_privs)
{
	const struct host_facts facts = { .known_caps = BIT(CAPS) - 1,
					  .permitted = has ? BIT(cap) : 0,
					  .bounding = has ? BIT(cap) : 0,
					  .no_new_privs = no_new_privs };
	bool is_expected = is_saved && number != STRICT && (number == MAP || has);
	bool do_hold = true;

	for (uint32_t set = 0; set < 5; set++) {
		struct decision decision =
		    decide(preset(number), &facts, CLASS_CAPS, set, is_saved ? BIT(cap) : 0);

		do_hold &= decision.effective == (is_expected ? BIT(cap) : 0);
		do_hold &= (decision.outcome == OUTCOME_KEEP) == (is_expected == is_saved);
	}
	return do_hold;
}

static bool caps_hold_by_rule(unsigned int cap, bool is_saved, bool is_allowed, enum outcome action)
{
	const struct host_facts facts = { .known_caps = BIT(CAPS) - 1 };
	const struct policy_rule rule = { .name = "caps",
					  .action = action,
					  .allowed = is_allowed ? BIT(cap) : 0,
					  .shortfall = OUTCOME_CLAMP };
	struct policy policy = *preset(STRICT);
	bool is_expected = is_saved && is_allowed && action != OUTCOME_DROP;
	struct decision decision;

	policy.choose = choose_rule;
	policy.file = &rule;
	decision = decide(&policy, &facts, CLASS_CAPS, 1, is_saved ? BIT(cap) : 0);
	if (action == OUTCOME_REFUSE)
		return decision.outcome == OUTCOME_REFUSE && decision.effective == 0;
	return decision.effective == (is_expected ? BIT(cap) : 0);
}

static void test_caps(struct checks *checks)
{
	static const enum outcome actions[] = { OUTCOME_KEEP, OUTCOME_CLAMP, OUTCOME_DROP,
						OUTCOME_REFUSE };
	bool do_hold = true;
	bool do_hold_by_rule = true;

	for (unsigned int bits = 0; bits < CAPS * 8 * PRESETS; bits++)
		do_hold &= caps_hold((int)(bits / 8 % PRESETS), bits / 8 / PRESETS, bits & 1,
				     bits & 2, bits & 4);
	for (unsigned int bits = 0; bits < CAPS * 16; bits++)
		do_hold_by_rule &=
		    caps_hold_by_rule(bits / 16, bits & 1, bits & 2, actions[bits / 4 % 4]);
	check_case(checks, "each capability, saved or not, held or not, by each preset", do_hold);
	check_case(checks, "each capability, by rules of a file", do_hold_by_rule);
}

/* ---- limits ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool limit_holds(int number, uint32_t detail, uint64_t saved, uint64_t own, bool is_able)
{
	struct host_facts facts = { .host_caps = is_able ? BIT(CAP_SYS_RESOURCE) : 0 };
	bool is_outside = number == SAME_HOST && is_able;
	struct decision decision;

	for (int i = 0; i < 16; i++)
		facts.hard_limits[i] = i == (int)detail / 2 ? own : 7;
	decision = decide(preset(number), &facts, CLASS_RLIMIT, detail, saved);
	return decision.effective == (is_outside ? saved : least(saved, own)) &&
	       decision.from_outside == (is_outside && saved > own) &&
	       decision.outcome == (decision.effective == saved ? OUTCOME_KEEP : OUTCOME_CLAMP);
}

static void test_limits(struct checks *checks)
{
	static const uint64_t owns[] = { 0, 1, 1024, UINT64_MAX };
	bool do_hold = true;

	for (uint32_t detail = 0; detail < 32; detail++) {
		for (int i = 0; i < 4; i++) {
			const uint64_t saved[] = { owns[i] ? owns[i] - 1 : 0, owns[i],
						   owns[i] == UINT64_MAX ? owns[i] : owns[i] + 1,
						   UINT64_MAX };

			for (int j = 0; j < 4 * PRESETS * 2; j++)
				do_hold &= limit_holds(j / 4 % PRESETS, detail, saved[j % 4],
						       owns[i], j / 4 / PRESETS);
		}
	}
	check_case(checks, "each limit below, at and above the invoker's, and without end",
		   do_hold);
}

/* ---- scheduling ---- */

static bool nice_holds(int number, int nice, int lowest, bool is_able)
{
	const struct host_facts facts = { .lowest_nice = lowest,
					  .host_caps = is_able ? BIT(CAP_SYS_NICE) : 0 };
	bool is_kept = nice >= lowest || (number == SAME_HOST && is_able);
	struct decision decision = decide(preset(number), &facts, CLASS_NICE, 0, SIGNED(nice));

	return decision.effective == SIGNED(is_kept ? nice : lowest) &&
	       decision.from_outside == (is_kept && nice < lowest);
}

static bool is_real_time(uint64_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* `own`: the real-time policy that the invoker has, with priority 30; 0: none. */
static bool sched_holds(int number, uint64_t policy, uint64_t priority, uint64_t limit,
			bool is_able, uint64_t own)
{
	struct host_facts facts = { .host_caps = is_able ? BIT(CAP_SYS_NICE) : 0,
				    .rt_policy = (uint32_t)own,
				    .rt_priority = own ? 30 : 0 };
	bool may_all = number == SAME_HOST && is_able;
	bool may_real_time = may_all || (number == SAME_HOST && limit > 0);
	bool is_own = number == SAME_HOST && own == policy && limit == 0;
	bool is_kept = is_own || policy == SCHED_OTHER || policy == SCHED_BATCH ||
		       policy == SCHED_IDLE || (is_real_time(policy) && may_real_time) || may_all;
	struct decision decision;
	struct decision rank;

	facts.hard_limits[RLIMIT_RTPRIO] = limit;
	decision = decide(preset(number), &facts, CLASS_SCHED, 0, policy);
	rank = decide(preset(number), &facts, CLASS_RT_PRIORITY, 0, priority);
	return decision.effective == (is_kept ? policy : SCHED_OTHER) &&
	       rank.effective ==
		   (may_all ? priority
		    : number == SAME_HOST
			? least(priority, limit < facts.rt_priority ? facts.rt_priority : limit)
			: 0);
}

static void test_scheduling(struct checks *checks)
{
	static const uint64_t policies[] = { SCHED_OTHER, SCHED_FIFO, SCHED_RR,
					     SCHED_BATCH, SCHED_IDLE, 6 };
	static const uint64_t limits[] = { 0, 1, 50, 99 };
	bool do_hold = true;

	for (int i = 0; i < 40 * 40 * PRESETS * 2; i++)
		do_hold &= nice_holds(i / 1600 % PRESETS, i % 40 - 20, i / 40 % 40 - 20,
				      i / 1600 / PRESETS);
	check_case(checks, "each niceness with each limit", do_hold);
	for (int i = 0; i < 6 * 4 * 99 * PRESETS * 2; i++) {
		for (uint64_t own = 0; own <= SCHED_RR; own++)
			do_hold &= sched_holds(i / 2376 % PRESETS, policies[i % 6],
					       (uint64_t)(i / 24 % 99 + 1), limits[i / 6 % 4],
					       i / 2376 / PRESETS, own);
	}
	check_case(checks, "each policy and priority with several limits", do_hold);
}

/* ---- no_new_privs and oom_score_adj ---- */

static void test_rest(struct checks *checks)
{
	bool do_hold = true;

	for (int i = 0; i < 4 * PRESETS; i++) {
		const struct host_facts facts = { .no_new_privs = i & 1 };
		bool is_on = i & 1 || i & 2 || i / 4 == STRICT;

		do_hold &=
		    decide(preset(i / 4), &facts, CLASS_NO_NEW_PRIVS, 0, i >> 1 & 1).effective ==
		    is_on;
	}
	check_case(checks, "no_new_privs is never lost", do_hold);
	for (int saved = -1000; saved <= 1000; saved += 125) {
		for (int own = -1000; own <= 1000; own += 125) {
			for (int i = 0; i < 2 * PRESETS; i++) {
				const struct host_facts facts = {
					.oom_score_adj = own,
					.host_caps = i & 1 ? BIT(CAP_SYS_RESOURCE) : 0
				};
				bool is_kept = saved >= own || (i & 1 && i / 2 == SAME_HOST);

				do_hold &= decide(preset(i / 2), &facts, CLASS_OOM_SCORE_ADJ, 0,
						  SIGNED(saved))
					       .effective == SIGNED(is_kept ? saved : own);
			}
		}
	}
	check_case(checks, "oom_score_adj is the larger one, or from outside", do_hold);
}

/* Whatever the class: a policy that forbids or records, does so. */
static void test_imposed(struct checks *checks)
{
	const struct host_facts facts = { .known_caps = BIT(CAPS) - 1 };
	struct policy_rule rule = { .name = "rule", .shortfall = OUTCOME_REFUSE };
	struct policy policy = *preset(SAME_HOST);
	bool do_hold = true;

	policy.choose = choose_rule;
	policy.file = &rule;
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		for (uint64_t saved = 0; saved < 100; saved++) {
			rule.action = OUTCOME_REFUSE;
			do_hold &=
			    decide(&policy, &facts, class, 0, saved).outcome == OUTCOME_REFUSE;
			rule.action = OUTCOME_RECORD;
			do_hold &=
			    decide(&policy, &facts, class, 0, saved).outcome == OUTCOME_RECORD;
		}
		rule.action = OUTCOME_KEEP;
		do_hold &= decide(&policy, &facts, class, policy_class_info(class)->detail_count, 1)
				   .outcome == OUTCOME_REFUSE ||
			   policy_class_info(class)->detail_count == UINT32_MAX;
	}
	check_case(checks, "what a policy forbids is refused, in every class", do_hold);
}

int main(void)
{
	struct checks checks = { 0 };

	test_caps(&checks);
	test_limits(&checks);
	test_scheduling(&checks);
	test_rest(&checks);
	test_imposed(&checks);
	return checks.failed != 0;
}
