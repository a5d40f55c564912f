/* The inside of a plan, for the files that make and print it. */
#pragma once

#include "policy/mapping.h"
#include "policy/plan.h"
#include "policy/policy.h"
#include "policy/strings.h"

struct plan_name {
	uint32_t id;
	uint32_t order; /* of two for one id, the first counts */
	uint32_t task;
	pid_t pid; /* 0: a file */
	const char *comm;
};

/* A question's key, and behind it the number of its decision: both halves compare as numbers. */
struct plan_key {
	uint64_t object; /* class, then id */
	uint64_t place;	 /* detail, then number */
};

struct plan {
	const struct image *image;   /* borrowed; NULL in tests */
	const struct policy *policy; /* borrowed */
	struct policies *policies;   /* owned: what that is of; NULL: of nothing that is owned */
	struct host_facts facts;     /* owned */
	struct strings strings;
	struct plan_name *names; /* owned; sorted by id once settled */
	size_t name_count;
	struct decision *decisions; /* owned; in the order of asking */
	size_t decision_count;
	struct plan_key *index; /* owned; sorted; NULL until settled */
	struct mapping uids;
	struct mapping gids;
	bool may_setgroups;
	struct file_opener *opener; /* borrowed; NULL: none */
	void *memory;		    /* owned, by release */
	void (*release)(void *memory);
};

/* Forgets all questions. */
void plan_clear(struct plan *plan);
/* plan_make() is plan_new, the kinds' questions, plan_settle. */
struct plan *plan_new(const struct image *image, const struct policy *policy,
		      const struct host_facts *facts);
/* Decides what needs all the questions together, and makes the index. */
void plan_settle(struct plan *plan);

/* Adds a decision that no kind asked for. Its texts must live as long as the plan. */
void plan_add(struct plan *plan, const struct decision *decision);
void plan_make_index(struct plan *plan);
/* The decision at a place of the index. */
struct decision *plan_indexed(const struct plan *plan, size_t place);
/* Who is called so; NULL if nobody said. Only once settled. */
const struct plan_name *plan_name_of(const struct plan *plan, uint32_t id);
/* The first place in the index that is not before this question. */
size_t plan_index_find(const struct plan *plan, enum policy_class class, uint32_t id,
		       uint32_t detail);

/* The maps, then the decisions about ids; and one for each group that the invoker keeps. */
void plan_settle_ids(struct plan *plan);
