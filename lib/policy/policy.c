/* One decision. See policy.h. */
#include "policy/policy.h"

#include "policy/decide.h"
#include "policy/lattice.h"

void decision_refuse(struct decision *decision, const char *reason, const char *remedy)
{
	const struct lattice *lattice = lattice_of(decision->class);

	decision->outcome = OUTCOME_REFUSE;
	decision->effective = lattice ? lattice->bottom : 0;
	decision->reason = reason;
	decision->remedy = remedy;
}

const struct policy_rule *policy_rule_for(const struct policy *policy,
					  const struct decision *decision)
{
	const struct policy_rule *rule = policy->choose ? policy->choose(policy, decision) : NULL;

	return rule ? rule : &policy->rules[decision->class];
}

bool policy_impose(const struct policy_rule *rule, struct decision *decision)
{
	if (rule->action == OUTCOME_REFUSE) {
		decision_refuse(decision, "the policy does not allow it", rule->remedy);
		return true;
	}
	if (rule->action != OUTCOME_RECORD)
		return false;
	decision_refuse(decision, NULL, NULL);
	decision->outcome = OUTCOME_RECORD;
	return true;
}

/* The class fills in what the invoker has, whatever the rule says. */
static void apply(const struct policy_rule *rule, const struct host_facts *facts,
		  struct decision *decision)
{
	struct policy_rule usual = *rule;

	if (rule->action == OUTCOME_REFUSE || rule->action == OUTCOME_RECORD)
		usual.action = OUTCOME_KEEP;
	policy_class_info(decision->class)->decide(&usual, facts, decision);
	(void)policy_impose(rule, decision);
}

static void decide_by(const struct policy_rule *rule, const struct host_facts *facts,
		      struct decision *decision)
{
	decision->rule = rule->name;
	if (decision->detail >= policy_class_info(decision->class)->detail_count)
		decide_refuse_value(decision);
	else
		apply(rule, facts, decision);
}

void policy_decide(const struct policy *policy, const struct host_facts *facts,
		   struct decision *decision)
{
	const struct policy_rule *rule;
	const struct policy_rule *second_rule;
	struct decision second = *decision;

	if (!policy_class_info(decision->class)) {
		decision->rule = policy->name;
		decision_refuse(decision, "no such class of questions", NULL);
		return;
	}
	rule = policy_rule_for(policy, decision);
	second_rule = policy->also ? policy_rule_for(policy->also, decision) : NULL;
	decide_by(rule, facts, decision);
	if (!second_rule || !second_rule->name)
		return;
	decide_by(second_rule, facts, &second);
	decision_narrow(decision, &second, rule->shortfall == OUTCOME_REFUSE);
}
