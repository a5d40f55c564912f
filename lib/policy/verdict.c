/* All refusals of a plan as one error. */
#include <ctype.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "policy/group.h"

/* As many refusals as an error has room for; the plan's lines name all of them. */
#define VERDICT_TEXT_MAX 800u
/* Of one refusal's subject: paths may be as long as they like. */
#define VERDICT_SUBJECT_MAX 200

/* Of a file, what was tried and what became of it. */
static void append_trial(const struct decision *decision, struct buf *out)
{
	auto_buf struct buf text = BUF_EMPTY;

	if (!decision->saved_text)
		return;
	append_escaped(decision->saved_text, &text);
	if (decision->invoker_text) {
		buf_printf(&text, ": ");
		append_escaped(decision->invoker_text, &text);
	}
	buf_printf(out, " (%.*s)", 2 * VERDICT_SUBJECT_MAX, text.data);
}

/* "task 7 (nginx) fd 5: the invoker may not open it" */
static void append_refusal(const struct plan *plan, const struct plan_group *group, struct buf *out)
{
	auto_buf struct buf subject = BUF_EMPTY;
	size_t start = out->size;

	plan_group_who(plan, group, out);
	for (; start < out->size && isupper((unsigned char)out->data[start]); start++)
		out->data[start] = (char)tolower((unsigned char)out->data[start]);
	decision_subject(group->first, &subject);
	buf_printf(out, " %.*s%s: %s", VERDICT_SUBJECT_MAX, subject.data ? subject.data : "",
		   subject.size > VERDICT_SUBJECT_MAX ? "..." : "",
		   group->first->reason ? group->first->reason : "refused");
	append_trial(group->first, out);
}

static void append_refusals(const struct plan *plan, const struct plan_group *groups, size_t count,
			    struct buf *out)
{
	size_t omitted = 0;

	for (size_t i = 0; i < count; i++) {
		auto_buf struct buf text = BUF_EMPTY;

		if (groups[i].first->outcome != OUTCOME_REFUSE)
			continue;
		append_refusal(plan, &groups[i], &text);
		if (out->size + text.size > VERDICT_TEXT_MAX)
			omitted += groups[i].count;
		else
			buf_printf(out, "%s%s", out->size ? "; " : "", text.data);
	}
	if (omitted > 0)
		buf_printf(out, "%sand %zu more", out->size ? "; " : "", omitted);
}

static const char *first_remedy(const struct plan *plan)
{
	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if (decision->outcome == OUTCOME_REFUSE && decision->remedy)
			return decision->remedy;
	}
	return NULL;
}

static int refuse_to_run(const struct plan *plan, struct err *err)
{
	(void)err_set(err, ERR_REFUSED, "the policy %s reads images and never runs them",
		      plan->policy->name);
	return err_hint(err, "use --policy strict, map or same-host");
}

int plan_verdict(const struct plan *plan, struct err *err)
{
	auto_free struct plan_group *groups = NULL;
	auto_free uint32_t *members = NULL;
	auto_buf struct buf text = BUF_EMPTY;
	const char *remedy;
	size_t refusals = 0;
	size_t count;

	for (size_t i = 0; i < plan->decision_count; i++)
		refusals += plan->decisions[i].outcome == OUTCOME_REFUSE;
	if (refusals == 0)
		return plan->policy->never_runs ? refuse_to_run(plan, err) : 0;

	plan_groups(plan, &groups, &count, &members);
	append_refusals(plan, groups, count, &text);
	(void)err_set(err, ERR_REFUSED, "%zu refusal%s: %s", refusals, refusals == 1 ? "" : "s",
		      text.data);
	remedy = first_remedy(plan);
	if (remedy)
		(void)err_hint(err, "%s", remedy);
	return ERR_REFUSED;
}
