/* How the classes decide: one function of a name in the table (classes.h), for one or several
 * classes. See struct policy_class_info. */
#pragma once

#include "policy/classes.h"
#include "policy/policy.h"

#define DECLARE(class, name, key, order, words, details, decider, ...)                             \
	void decide_##decider(const struct policy_rule *rule, const struct host_facts *facts,      \
			      struct decision *decision);
POLICY_CLASSES(DECLARE)
#undef DECLARE

/* effective = meet(saved, invoker, policy) */
void decide_meet(const struct policy_rule *rule, uint64_t invoker, struct decision *decision);
/* Less than was saved came out: what the rule calls that. */
void decide_shortfall(const struct policy_rule *rule, struct decision *decision);
/* No program can have had this value. */
void decide_refuse_value(struct decision *decision);
