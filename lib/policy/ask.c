/* plan_make: the one place where policy calls the kinds. */
#include "core/buf.h"
#include "core/cleanup.h"
#include "image/image.h"
#include "kind/kind.h"
#include "kind/support/grant.h"
#include "policy/plan_private.h"

/* What is refused could be given. */
static void offer_grant(struct plan *plan, const struct image *image, const struct record *record,
			size_t first)
{
	for (size_t i = first; i < plan->decision_count; i++) {
		struct decision *decision = &plan->decisions[i];
		auto_free char *name = NULL;
		auto_free char *text = NULL;

		if (decision->outcome != OUTCOME_REFUSE || decision->id != record->id ||
		    (decision->class == CLASS_GRANT && decision->invoker != GRANT_ABSENT))
			continue;
		name = grant_name(image, record->id);
		if (!name)
			return;
		text = mem_printf("%s%sgive it: --grant %s=FD",
				  decision->remedy ? decision->remedy : "",
				  decision->remedy ? ", or " : "", name);
		decision->remedy = strings_add(&plan->strings, text);
	}
}

static int ask(struct plan *plan, const struct image *image, const struct kind *kind,
	       const struct record *record, struct err *err)
{
	size_t first = plan->decision_count;
	struct grant_look look;
	int r = 0;

	if (kind->grant && grant_ask(plan, kind, record))
		return 0;
	if (kind->ask)
		r = kind->ask(plan, image, record, err);
	if (r == 0 && kind->grant && kind->grant(image, record, &look))
		offer_grant(plan, image, record, first);
	return r;
}

int plan_make(const struct image *image, const struct policy *policy,
	      const struct host_facts *facts, struct plan **ret_plan, struct err *err)
{
	struct plan *plan = plan_new(image, policy, facts);

	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		const struct kind *kind = kind_by_tag(record->tag);
		int r;

		if (!kind)
			continue;
		r = ask(plan, image, kind, record, err);
		if (r < 0) {
			plan_free(plan);
			return err_wrap(err, "plan: %s %u", kind->name, record->id);
		}
	}
	plan_settle(plan);
	*ret_plan = plan;
	return 0;
}
