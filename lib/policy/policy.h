/* Policies: for every class one rule, which turns what was saved and what the invoker has into a
 * decision. The presets are constant tables, made from the table of classes (classes.h). A policy
 * of another origin is one more struct policy: a copy of the preset that it extends, with rules of
 * its own that `choose` puts in front. All questions are decided when all of them were asked: the
 * task that a question is about is known by then. */
#pragma once

#include "policy/plan.h"

struct policy_rule {
	const char *name; /* for people: "strict/caps", "files[2]" */
	/* What is to come out, before anything is compared:
	 *   KEEP CLAMP MAP REOPEN  the meet of saved, invoker and `allowed`: as much as there may
	 * be DROP                   the meet with the least there is: `allowed` counts as 0 INHERIT
	 * SUBSTITUTE     that, if the class can: see policy_class_info.actions REFUSE RECORD that,
	 * whatever was saved */
	enum outcome action;
	uint64_t allowed;	/* the policy's part of the meet, in the class's units */
	enum outcome shortfall; /* what it is called when less than was saved comes out; REFUSE:
				 * then there is no restore. CLAMP, DROP or REFUSE */
	bool is_privileged;	/* what the invoker could do by his capabilities on this host counts
				 * as his: a tracer sets it, not the task itself */
	const char *remedy;	/* for refusals by this rule, or NULL */
	const char *with; /* SUBSTITUTE: the path that takes its place; NULL: the class's own */
};

enum id_mode {
	IDS_INVOKER, /* one id in use, which is the invoker */
	IDS_RANGES,  /* all ids in use, in the ranges that the invoker was given */
};

struct id_lines;

struct policy {
	const char *name;
	const char *preset; /* that a file extends, itself or by others; NULL: it is one, or none */
	enum id_mode ids;
	bool never_runs; /* images are read by it, and never restored */
	/* The rule of a file for this decision, of which all but the outcome is known; NULL: it has
	 * none, and the class's own counts. May be NULL. */
	const struct policy_rule *(*choose)(const struct policy *policy,
					    const struct decision *decision);
	const void *file; /* whatever `choose` needs */
	/* Of a file, which ids become which; NULL: as `ids` says. Borrowed. */
	const struct id_lines *uid_lines;
	const struct id_lines *gid_lines;
	/* A second one, asked about everything: what it gives less of counts. Where a rule of it
	 * has no name, it has nothing to say. Borrowed; NULL: none. */
	const struct policy *also;
	struct policy_rule rules[CLASS_COUNT];
};

/* The rule for a decision: never NULL. */
const struct policy_rule *policy_rule_for(const struct policy *policy,
					  const struct decision *decision);
/* Lowers a decision by what another policy has decided about the same question; `must_keep`: the
 * first one would rather refuse than lower it. */
void decision_narrow(struct decision *decision, const struct decision *other, bool must_keep);
/* Decides a question that has been copied into `decision`. A class, detail or value that does not
 * exist is refused. */
void policy_decide(const struct policy *policy, const struct host_facts *facts,
		   struct decision *decision);
/* For those who decide: REFUSE and RECORD, which nothing can change. True if it was one of them. */
bool policy_impose(const struct policy_rule *rule, struct decision *decision);
/* Turns a decision into a refusal. Texts are borrowed. */
void decision_refuse(struct decision *decision, const char *reason, const char *remedy);

/* A row of the table, for whoever reads policies. */
struct policy_class_info {
	const char *name; /* in plans */
	const char *key;  /* in policy files */
	/* Fills in invoker, effective, outcome, reason and remedy by the rule, whose action is
	 * neither REFUSE nor RECORD. */
	void (*decide)(const struct policy_rule *rule, const struct host_facts *facts,
		       struct decision *decision);
	unsigned int actions;  /* 1 << outcome, of those that a policy file may ask for */
	uint32_t detail_count; /* UINT32_MAX: any number */
	/* Detail D is called detail_names[D / details_per_name]; with two a name, the first is the
	 * soft and the second the hard limit. None: the details are not told apart. */
	uint32_t details_per_name;
	const char *const *detail_names;
	size_t detail_name_count;
};
/* NULL for a class that does not exist. */
const struct policy_class_info *policy_class_info(enum policy_class class);
/* -ENOENT: no class has this key. */
int policy_class_by_key(const char *key, enum policy_class *ret_class);
