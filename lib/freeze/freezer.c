/* The cgroup freezer of a target. See freeze.h. */
#include "freeze/freezer.h"

#include <inttypes.h>
#include <stdio.h>

#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "freeze/tasks.h"

const struct freezer *freezer_of(const struct target *target)
{
	if (target->cgroup < 0)
		return NULL;
	switch (target->freezer) {
	case FREEZER_V1:
		return &freezer_cgroup1;
	case FREEZER_V2:
		return &freezer_cgroup2;
	case FREEZER_NONE:
		break;
	}
	return NULL;
}

static int no_freezer(const struct target *target, struct err *err)
{
	return err_set(err, ERR_HOST, "%s: has no cgroup that could be frozen", target->name);
}

int freezer_freeze(const struct target *target, struct err *err)
{
	const struct freezer *freezer = freezer_of(target);
	struct err ignored = ERR_NONE;
	bool was_asked = false;
	int r;

	if (!freezer)
		return no_freezer(target, err);
	r = freezer->is_asked(target->cgroup, &was_asked, err);
	if (r == 0)
		r = freezer->freeze(target->cgroup, clock_us() + FREEZE_TIMEOUT_US, err);
	if (r == 0)
		return 0;
	if (!was_asked)
		(void)freezer->thaw(target->cgroup, &ignored);
	/* Only now: tasks frozen by v1 look as if they were blocked. */
	if (r == -ETIMEDOUT)
		tasks_hint_blocked(target, err);
	return err_wrap(err, "freeze cgroup %s", target->cgroup_path);
}

int freezer_thaw(const struct target *target, struct err *err)
{
	const struct freezer *freezer = freezer_of(target);

	if (!freezer)
		return no_freezer(target, err);
	if (freezer->thaw(target->cgroup, err) < 0)
		return err_wrap(err, "thaw cgroup %s", target->cgroup_path);
	return 0;
}

int freezer_is_frozen(const struct target *target, bool *ret_is_frozen, struct err *err)
{
	const struct freezer *freezer = freezer_of(target);

	if (!freezer) {
		*ret_is_frozen = false;
		return 0;
	}
	if (freezer->is_frozen(target->cgroup, ret_is_frozen, err) < 0)
		return err_wrap(err, "cgroup %s", target->cgroup_path);
	return 0;
}
