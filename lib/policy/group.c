/* Decisions that read alike, and the texts of one decision. See group.h. */
#include "policy/group.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "policy/lattice.h"

#define WHO_RANGES_MAX 4u

void append_escaped(const char *text, struct buf *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c > '~' || c == '\\')
			buf_printf(out, "\\x%02x", c);
		else
			(void)buf_append(out, text, 1);
	}
}

static void append_value(const struct decision *decision, const char *text, uint64_t value,
			 struct buf *out)
{
	const struct lattice *lattice = lattice_of(decision->class);

	if (text)
		append_escaped(text, out);
	else if (lattice)
		lattice->explain(value, decision->detail, out);
	else
		explain_number(value, decision->detail, out);
}

void decision_subject(const struct decision *decision, struct buf *out)
{
	if (decision->subject)
		append_escaped(decision->subject, out);
	else
		explain_subject(decision->class, decision->detail, out);
}

void decision_saved(const struct decision *decision, struct buf *out)
{
	append_value(decision, decision->saved_text, decision->saved, out);
}

void decision_invoker(const struct decision *decision, struct buf *out)
{
	if ((decision->class == CLASS_FILE || decision->class == CLASS_DEVICE) &&
	    !decision->invoker_text)
		explain_open(decision->invoker, out);
	else
		append_value(decision, decision->invoker_text, decision->invoker, out);
}

void decision_effective(const struct decision *decision, struct buf *out)
{
	append_value(decision, decision->effective_text, decision->effective, out);
}

void plan_count_outcomes(const struct plan *plan, size_t ret_counts[OUTCOME_REFUSE + 1])
{
	memset(ret_counts, 0, (OUTCOME_REFUSE + 1) * sizeof(*ret_counts));
	for (size_t i = 0; i < plan->decision_count; i++)
		ret_counts[plan->decisions[i].outcome]++;
}

static int compare_texts(const char *one, const char *other)
{
	if (one == other)
		return 0;
	if (!one || !other)
		return one ? 1 : -1;
	return strcmp(one, other);
}

static int compare_numbers(uint64_t one, uint64_t other)
{
	return one < other ? -1 : one > other;
}

/* 0: they read alike, but for the task. */
static int compare_alike(const struct decision *one, const struct decision *other)
{
	int r;

	if ((r = compare_numbers(one->class, other->class)) != 0 ||
	    (r = compare_numbers(one->detail, other->detail)) != 0 ||
	    (r = compare_numbers(one->task == 0, other->task == 0)) != 0 ||
	    (r = compare_numbers(one->outcome, other->outcome)) != 0 ||
	    (r = compare_numbers(one->saved, other->saved)) != 0 ||
	    (r = compare_numbers(one->invoker, other->invoker)) != 0 ||
	    (r = compare_numbers(one->effective, other->effective)) != 0 ||
	    (r = compare_texts(one->subject, other->subject)) != 0 ||
	    (r = compare_texts(one->saved_text, other->saved_text)) != 0 ||
	    (r = compare_texts(one->invoker_text, other->invoker_text)) != 0 ||
	    (r = compare_texts(one->effective_text, other->effective_text)) != 0 ||
	    (r = compare_texts(one->reason, other->reason)) != 0)
		return r;
	/* Files without a task are told apart by their ids. */
	return one->task == 0 ? compare_numbers(one->id, other->id) : 0;
}

static int compare_members(const void *a, const void *b, void *argument)
{
	const struct plan *plan = argument;
	uint32_t one = *(const uint32_t *)a;
	uint32_t other = *(const uint32_t *)b;
	int r = compare_alike(&plan->decisions[one], &plan->decisions[other]);

	return r != 0 ? r : compare_numbers(one, other);
}

static int compare_groups(const void *a, const void *b)
{
	const struct plan_group *one = a;
	const struct plan_group *other = b;

	return compare_numbers(one->members[0], other->members[0]);
}

void plan_groups(const struct plan *plan, struct plan_group **ret_groups, size_t *ret_count,
		 uint32_t **ret_members)
{
	uint32_t *members = mem_alloc(plan->decision_count, sizeof(*members));
	struct plan_group *groups = NULL;
	size_t count = 0;

	for (size_t i = 0; i < plan->decision_count; i++)
		members[i] = (uint32_t)i;
	qsort_r(members, plan->decision_count, sizeof(*members), compare_members, (void *)plan);

	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[members[i]];

		if (count > 0 && compare_alike(groups[count - 1].first, decision) == 0) {
			groups[count - 1].count++;
			continue;
		}
		array_grow(groups, count);
		groups[count++] = (struct plan_group){ decision, &members[i], 1 };
	}
	if (count > 0)
		qsort(groups, count, sizeof(*groups), compare_groups);
	*ret_groups = groups;
	*ret_count = count;
	*ret_members = members;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t one = *(const pid_t *)a;
	pid_t other = *(const pid_t *)b;

	return one < other ? -1 : one > other;
}

/* The pids of the processes that a group is about: rising, unique. */
static pid_t *group_pids(const struct plan *plan, const struct plan_group *group, size_t *ret_count)
{
	pid_t *pids = mem_alloc(group->count, sizeof(*pids));
	size_t count = 0;

	for (size_t i = 0; i < group->count; i++) {
		uint32_t task = plan->decisions[group->members[i]].task;
		const struct plan_name *name = plan_name_of(plan, task);

		pids[i] = name ? name->pid : (pid_t)task;
	}
	qsort(pids, group->count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < group->count; i++) {
		if (count == 0 || pids[i] != pids[count - 1])
			pids[count++] = pids[i];
	}
	*ret_count = count;
	return pids;
}

static void append_pid_ranges(const pid_t *pids, size_t count, struct buf *out)
{
	size_t ranges = 0;

	for (size_t i = 0; i < count; i++) {
		size_t first = i;

		if (ranges++ == WHO_RANGES_MAX) {
			buf_printf(out, ",...");
			return;
		}
		while (i + 1 < count && pids[i + 1] == pids[i] + 1)
			i++;
		buf_printf(out, "%s%d", ranges > 1 ? "," : "", pids[first]);
		if (i > first)
			buf_printf(out, "-%d", pids[i]);
	}
}

/* "TASK 7 (nginx)", and the thread, if it is not the whole process that is meant. */
static void append_task(const struct plan *plan, const struct plan_group *group, pid_t pid,
			struct buf *out)
{
	const struct decision *decision = group->first;
	const struct plan_name *name = plan_name_of(plan, decision->id);
	const struct plan_name *task = plan_name_of(plan, decision->task);

	buf_printf(out, "TASK %d", pid);
	if (!task)
		task = name;
	if (task && task->comm) {
		buf_printf(out, " (");
		append_escaped(task->comm, out);
		buf_printf(out, ")");
	}
	if (group->count > 1)
		buf_printf(out, " x%zu", group->count);
	else if (name && name->id != name->task && name->pid != pid && name->pid != 0)
		buf_printf(out, " thread %d", name->pid);
}

static bool is_of_file(enum policy_class class)
{
	switch (class) {
	case CLASS_FILE:
	case CLASS_DEVICE:
	case CLASS_STDIO:
	case CLASS_SOCKET:
	case CLASS_TCP:
	case CLASS_PORT:
	case CLASS_RAW:
	case CLASS_PACKET:
	case CLASS_SETID:
	case CLASS_GRANT:
	case CLASS_ALARM:
		return true;
	default:
		return false;
	}
}

void plan_group_who(const struct plan *plan, const struct plan_group *group, struct buf *out)
{
	const struct decision *decision = group->first;
	auto_free pid_t *pids = NULL;
	size_t count;

	if (decision->task == 0) {
		if (is_of_file(decision->class))
			buf_printf(out, "FILE %" PRIu32, decision->id);
		else if (decision->class == CLASS_MLOCK)
			buf_printf(out, "MEMORY %" PRIu32, decision->id);
		else
			buf_printf(out, "CONTAINER");
		return;
	}
	pids = group_pids(plan, group, &count);
	if (count == 1) {
		append_task(plan, group, pids[0], out);
		return;
	}
	buf_printf(out, "TASKS ");
	append_pid_ranges(pids, count, out);
	buf_printf(out, " (%zu)", count);
}
