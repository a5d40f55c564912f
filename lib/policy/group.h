/* Decisions that read alike, and the texts of one decision. */
#pragma once

#include "core/buf.h"
#include "policy/plan_private.h"

struct plan_group {
	const struct decision *first; /* of those asked, the first */
	const uint32_t *members;      /* numbers of decisions, rising */
	size_t count;
};

/* All decisions in groups, in the order of their first members. Both arrays are the caller's. */
void plan_groups(const struct plan *plan, struct plan_group **ret_groups, size_t *ret_count,
		 uint32_t **ret_members);
/* "TASK 7 (nginx)", "TASKS 7-206 (200)", "CONTAINER" */
void plan_group_who(const struct plan *plan, const struct plan_group *group, struct buf *out);

/* How many decisions have each outcome. */
void plan_count_outcomes(const struct plan *plan, size_t ret_counts[OUTCOME_REFUSE + 1]);

void decision_subject(const struct decision *decision, struct buf *out);
void decision_saved(const struct decision *decision, struct buf *out);
void decision_invoker(const struct decision *decision, struct buf *out);
void decision_effective(const struct decision *decision, struct buf *out);
/* Adds a hostile text: what is not printable ASCII, and backslashes, become \xNN. */
void append_escaped(const char *text, struct buf *out);
