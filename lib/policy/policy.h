/* Policies: for every class one rule, which turns what was saved and what the invoker has into a
 * decision. The presets are constant tables; a policy that is read from a file will be one more
 * table, with rules by subject in front of it. */
#pragma once

#include "policy/plan.h"

struct policy_rule {
	const char *name; /* "strict/caps" */
	/* Fills in invoker, effective, outcome, reason and remedy. NULL: ids, which need the
	 * whole image (settle.h). */
	void (*apply)(const struct policy_rule *rule, const struct host_facts *facts,
		      struct decision *decision);
	uint64_t allowed;	/* the policy's part of the meet */
	enum outcome shortfall; /* the outcome when less than was saved comes out */
	const char *remedy;	/* for refusals by this rule, or NULL */
};

enum id_mode {
	IDS_INVOKER, /* one id in use, which is the invoker */
	IDS_RANGES,  /* all ids in use, in the ranges that the invoker was given */
};

struct policy {
	const char *name;
	enum id_mode ids;
	struct policy_rule rules[CLASS_COUNT];
};

/* Decides a question that has been copied into `decision`. A class, detail or value that does not
 * exist is refused. */
void policy_decide(const struct policy *policy, const struct host_facts *facts,
		   struct decision *decision);
/* Turns a decision into a refusal. Texts are borrowed. */
void decision_refuse(struct decision *decision, const char *reason, const char *remedy);
