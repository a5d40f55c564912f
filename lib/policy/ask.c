/* plan_make: the one place where policy calls the kinds. */
#include "image/image.h"
#include "kind/kind.h"
#include "policy/plan_private.h"

int plan_make(const struct image *image, const struct policy *policy,
	      const struct host_facts *facts, struct plan **ret_plan, struct err *err)
{
	struct plan *plan = plan_new(image, policy, facts);

	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		const struct kind *kind = kind_by_tag(record->tag);
		int r;

		if (!kind || !kind->ask)
			continue;
		r = kind->ask(plan, image, record, err);
		if (r < 0) {
			plan_free(plan);
			return err_wrap(err, "plan: %s %u", kind->name, record->id);
		}
	}
	plan_settle(plan);
	*ret_plan = plan;
	return 0;
}
