/* Plans as text. See ctckpt/policy.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "ctckpt/policy.h"
#include "policy/group.h"
#include "policy/lattice.h"

enum column { COLUMN_WHO, COLUMN_SUBJECT, COLUMN_SAVED, COLUMN_INVOKER, COLUMN_COUNT };

/* Wider cells push their own line only. */
#define COLUMN_WIDTH_MAX 36u

static void append_cell(const struct plan *plan, const struct plan_group *group, enum column column,
			struct buf *out)
{
	switch (column) {
	case COLUMN_WHO:
		plan_group_who(plan, group, out);
		break;
	case COLUMN_SUBJECT:
		decision_subject(group->first, out);
		break;
	case COLUMN_SAVED:
		buf_printf(out, "saved ");
		decision_saved(group->first, out);
		break;
	default:
		buf_printf(out, "invoker ");
		decision_invoker(group->first, out);
	}
}

static void append_upper(const char *text, struct buf *out)
{
	for (; *text; text++)
		buf_printf(out, "%c", toupper((unsigned char)*text));
}

/* SGR sequences: red, yellow, green. */
static const char *colour_of(enum outcome outcome)
{
	switch (outcome_loss(outcome)) {
	case 0:
		return "\x1b[32m";
	case 1:
	case 2:
	case 3:
		return "\x1b[33m";
	default:
		return "\x1b[1;31m";
	}
}

static void append_outcome(const struct decision *decision, bool has_colour, struct buf *out)
{
	if (has_colour)
		buf_printf(out, "%s", colour_of(decision->outcome));
	if (decision->outcome == OUTCOME_REFUSE)
		append_upper(outcome_name(decision->outcome), out);
	else
		buf_printf(out, "%s", outcome_name(decision->outcome));
	if (has_colour)
		buf_printf(out, "\x1b[0m");
}

/* "-> clamp 1024  rule strict/rlimits", and why. What is kept, or gone, has no value to show. */
static void append_result(const struct decision *decision, bool has_colour, struct buf *out)
{
	buf_printf(out, "-> ");
	append_outcome(decision, has_colour, out);
	if (decision->outcome == OUTCOME_CLAMP || decision->outcome == OUTCOME_MAP ||
	    decision->with) {
		buf_printf(out, " ");
		decision_effective(decision, out);
	}
	buf_printf(out, "  rule %s", decision->rule);
	if (decision->reason)
		buf_printf(out, " (%s)", decision->reason);
}

static void append_row(const struct plan *plan, const struct plan_group *group,
		       const size_t widths[COLUMN_COUNT], bool has_colour, struct buf *out)
{
	for (int column = 0; column < COLUMN_COUNT; column++) {
		size_t start = out->size;

		append_cell(plan, group, column, out);
		while (out->size - start < widths[column])
			(void)buf_append(out, " ", 1);
		(void)buf_append(out, "  ", 2);
	}
	append_result(group->first, has_colour, out);
}

static void measure(const struct plan *plan, const struct plan_group *groups, size_t count,
		    size_t widths[COLUMN_COUNT])
{
	auto_buf struct buf cell = BUF_EMPTY;

	memset(widths, 0, COLUMN_COUNT * sizeof(*widths));
	for (size_t i = 0; i < count; i++) {
		for (int column = 0; column < COLUMN_COUNT; column++) {
			buf_clear(&cell);
			append_cell(plan, &groups[i], column, &cell);
			if (cell.size > widths[column] && cell.size <= COLUMN_WIDTH_MAX)
				widths[column] = cell.size;
		}
	}
}

/* The container's lines, then those about one task or several, by the first of them. */
static pid_t first_pid(const struct plan *plan, const struct plan_group *group)
{
	pid_t first = 0;

	for (size_t i = 0; i < group->count; i++) {
		pid_t pid = plan->decisions[group->members[i]].pid;

		if (i == 0 || pid < first)
			first = pid;
	}
	return first;
}

struct line_order {
	pid_t pid;
	bool is_shared; /* by several tasks: behind those of the first one alone */
	uint32_t number;
	struct plan_group group;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line_order *one = a;
	const struct line_order *other = b;

	if (one->pid != other->pid)
		return one->pid < other->pid ? -1 : 1;
	if (one->is_shared != other->is_shared)
		return one->is_shared ? 1 : -1;
	return one->number < other->number ? -1 : one->number > other->number;
}

static bool is_shared(const struct plan *plan, const struct plan_group *group)
{
	for (size_t i = 1; i < group->count; i++) {
		if (plan->decisions[group->members[i]].task != group->first->task)
			return true;
	}
	return false;
}

static void sort_by_task(const struct plan *plan, struct plan_group *groups, size_t count)
{
	auto_free struct line_order *lines = mem_alloc(count, sizeof(*lines));

	for (size_t i = 0; i < count; i++)
		lines[i] =
		    (struct line_order){ first_pid(plan, &groups[i]), is_shared(plan, &groups[i]),
					 groups[i].members[0], groups[i] };
	if (count > 0)
		qsort(lines, count, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < count; i++)
		groups[i] = lines[i].group;
}

void plan_text(const struct plan *plan, bool has_colour, struct buf *out)
{
	auto_free struct plan_group *groups = NULL;
	auto_free uint32_t *members = NULL;
	size_t widths[COLUMN_COUNT];
	size_t count;

	plan_groups(plan, &groups, &count, &members);
	sort_by_task(plan, groups, count);
	measure(plan, groups, count, widths);
	for (size_t i = 0; i < count; i++) {
		const struct decision *decision = groups[i].first;

		append_row(plan, &groups[i], widths, has_colour, out);
		buf_printf(out, "\n");
		if (decision->outcome != OUTCOME_KEEP && decision->remedy)
			buf_printf(out, "    remedy: %s\n", decision->remedy);
	}
}

void plan_summary(const struct plan *plan, struct buf *out)
{
	size_t counts[OUTCOME_REFUSE + 1];
	const char *comma = "";

	plan_count_outcomes(plan, counts);
	for (int outcome = 0; outcome <= OUTCOME_REFUSE; outcome++) {
		if (counts[outcome] == 0)
			continue;
		buf_printf(out, "%s%zu %s", comma, counts[outcome], outcome_name(outcome));
		comma = ", ";
	}
	if (plan->decision_count == 0)
		buf_printf(out, "nothing to decide");
	if (counts[OUTCOME_REFUSE] > 0 || plan->policy->never_runs)
		buf_printf(out, ": restore would refuse (exit 3)");
	else
		buf_printf(out, ": restore would go on");
}
