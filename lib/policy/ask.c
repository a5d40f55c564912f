/* plan_make: the one place where policy calls the kinds. */
#include <errno.h>
#include <inttypes.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "image/image.h"
#include "kind/kind.h"
#include "kind/support/file_opener.h"
#include "kind/support/grant.h"
#include "policy/language.h"
#include "policy/plan_private.h"

/* What is given, or could be, is called as on the command line. */
static void name_grant(struct plan *plan, const struct grant_names *names,
		       struct decision *decision)
{
	const struct grant_name *found = grant_name_of(names, decision->id);
	bool is_refused = decision->outcome == OUTCOME_REFUSE;
	const struct record *record = NULL;
	auto_free char *name = NULL;
	auto_free char *text = NULL;

	if (!found || (!is_refused && decision->class != CLASS_GRANT) ||
	    !grant_kind(plan->image, decision->id, &record))
		return;
	name = mem_printf("%d:fd%" PRIu32, found->pid, found->slot);
	if (decision->class == CLASS_GRANT)
		decision->subject = strings_add(&plan->strings, name);
	if (!is_refused || (decision->class == CLASS_GRANT && decision->invoker != GRANT_ABSENT))
		return;
	text = mem_printf("%s%sgive it: --grant %s=FD", decision->remedy ? decision->remedy : "",
			  decision->remedy ? ", or " : "", name);
	decision->remedy = strings_add(&plan->strings, text);
}

static void name_grants(struct plan *plan)
{
	auto_grant_names struct grant_names names = GRANT_NAMES_NONE;

	grant_names_list(plan->image, &names);
	for (size_t i = 0; i < plan->decision_count; i++)
		name_grant(plan, &names, &plan->decisions[i]);
}

static int ask(struct plan *plan, const struct image *image, const struct kind *kind,
	       const struct record *record, struct err *err)
{
	if (kind->grant && grant_ask(plan, kind, record))
		return 0;
	return kind->ask ? kind->ask(plan, image, record, err) : 0;
}

/* What a policy puts in the place of files must be there, too. */
static void try_substitutes(struct plan *plan)
{
	for (size_t i = 0; i < plan->decision_count; i++) {
		struct decision *decision = &plan->decisions[i];

		if (decision->outcome != OUTCOME_SUBSTITUTE || !decision->with ||
		    kind_try_file(plan, decision->with, (uint32_t)decision->saved) == 0)
			continue;
		decision_refuse(decision, "what should take its place can't be opened",
				"name another file in the policy");
	}
}

static int ask_all(struct plan *plan, const struct image *image, struct err *err)
{
	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		const struct kind *kind = kind_by_tag(record->tag);
		int r;

		if (!kind)
			continue;
		r = ask(plan, image, kind, record, err);
		if (r < 0)
			return err_wrap(err, "plan: %s %u", kind->name, record->id);
	}
	plan_settle(plan);
	return 0;
}

static bool is_denied(const struct plan *plan)
{
	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if (policy_class_is_file(decision->class) &&
		    (decision->invoker == EACCES || decision->invoker == EPERM))
			return true;
	}
	return false;
}

/* Where the invoker is not let in, the container's first task may be: by its maps, which follow
 * from all the questions. Then they are asked once more. */
static int ask_again(struct plan *plan, const struct image *image, struct err *err)
{
	int r;

	if (plan->policy->never_runs || !is_denied(plan))
		return 0;
	plan->opener = file_opener_start(plan);
	if (!plan->opener)
		return 0;
	plan_clear(plan);
	r = ask_all(plan, image, err);
	if (r == 0)
		try_substitutes(plan);
	file_opener_stop(plan->opener);
	plan->opener = NULL;
	return r;
}

static int finish(struct plan *plan, const struct image *image, struct plan **ret_plan,
		  struct err *err)
{
	int r = ask_all(plan, image, err);

	if (r == 0)
		try_substitutes(plan);
	if (r == 0)
		r = ask_again(plan, image, err);
	if (r == 0)
		name_grants(plan);
	if (r < 0)
		plan_free(plan);
	else
		*ret_plan = plan;
	return r;
}

int plan_make(const struct image *image, const struct policy *policy,
	      const struct host_facts *facts, struct plan **ret_plan, struct err *err)
{
	return finish(plan_new(image, policy, facts), image, ret_plan, err);
}

int plan_make_by(const struct image *image, struct policies *policies,
		 const struct host_facts *facts, struct plan **ret_plan, struct err *err)
{
	struct policies *own = mem_copy(policies, sizeof(*policies));
	struct plan *plan = plan_new(image, &own->policy, facts);

	*policies = POLICIES_NONE;
	plan->policies = own;
	return finish(plan, image, ret_plan, err);
}
