/* plan_make: the one place where policy calls the kinds. */
#include "image/image.h"
#include "kind/kind.h"
#include "policy/language.h"
#include "policy/plan_private.h"

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

		if (!kind || !kind->ask)
			continue;
		r = kind->ask(plan, image, record, err);
		if (r < 0)
			return err_wrap(err, "plan: %s %u", kind->name, record->id);
	}
	plan_settle(plan);
	try_substitutes(plan);
	return 0;
}

static int finish(struct plan *plan, const struct image *image, struct plan **ret_plan,
		  struct err *err)
{
	int r = ask_all(plan, image, err);

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
