/* The tasks go to the cgroups that they were in, below the one that the container has got. */
#include <inttypes.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "kind/support/cgroup_tree.h"
#include "policy/strings.h"
#include "restore/restore.h"

static bool has_limits(const struct cgroup_tree *tree)
{
	for (size_t i = 0; i < tree->setting_count; i++) {
		if (tree->settings[i].text &&
		    cgroup_attributes[tree->settings[i].attribute].is_limit)
			return true;
	}
	return false;
}

/* Without a cgroup of its own, or with one of v1, which has no limits. */
static int do_without(struct restore *rs, const struct cgroup_tree *tree, const char *what,
		      struct err *err)
{
	if (has_limits(tree)) {
		(void)err_set(err, ERR_REFUSED,
			      "the container's limits need a cgroup (v2) of its own");
		return err_hint(err, "have one delegated to the invoker, see cgroups(7)");
	}
	restore_note(rs, "%s of the container are lost: no such cgroup may be made here", what);
	return 0;
}

static int place(struct restore *rs, const struct cgroup_tree *tree, int dir, bool is_v2,
		 struct err *err)
{
	int *dirs = NULL;
	int r = cgroup_tree_make(tree, dir, &dirs, err);

	for (size_t i = 0; r == 0 && i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		if (task->record && task->thread_count > 0)
			r = cgroup_tree_move(tree, dirs, task->id, task->pid, err);
	}
	if (r == 0 && is_v2)
		r = cgroup_tree_set(tree, dirs, err);
	else if (r == 0 && tree->setting_count > 0)
		r = do_without(rs, tree, "settings of the cgroups", err);
	cgroup_tree_close(tree, dirs);
	return r;
}

/* What the plan gives up, or lowers. */
static void apply_plan(const struct restore *rs, struct cgroup_tree *tree, struct strings *texts)
{
	const struct record *record = image_next(rs->image, kind_by_name("cgroup")->tag, NULL);

	for (size_t i = 0; i < tree->setting_count; i++) {
		const struct decision *decision =
		    plan_answer(rs->plan, CLASS_CGROUP, record->id, (uint32_t)i);
		char number[32];

		if (decision && decision->outcome == OUTCOME_DROP)
			tree->settings[i].text = NULL;
		if (!decision || decision->outcome != OUTCOME_CLAMP)
			continue;
		(void)snprintf(number, sizeof(number), "%" PRIu64, decision->effective);
		tree->settings[i].text = strings_add(texts, number);
	}
}

int restore_place_in_cgroups(struct restore *rs, const struct cgroup_own *own, struct err *err)
{
	auto_with(cgroup_tree_free) struct cgroup_tree tree = CGROUP_TREE_EMPTY;

	auto_with(strings_free) struct strings texts = { .texts = NULL };

	if (!cgroup_tree_of_image(rs->image, &tree))
		return 0;
	apply_plan(rs, &tree, &texts);
	if (own->v2 < 0 && own->v1 < 0)
		return do_without(rs, &tree, "the cgroups", err);
	return place(rs, &tree, own->v2 >= 0 ? own->v2 : own->v1, own->v2 >= 0, err);
}
