/* Ids: the maps of the new user namespace follow from all ids in use; the decisions about ids
 * follow from the maps. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "policy/bound.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"

/* Ids in use, and the one that becomes the invoker. */
struct used_ids {
	uint32_t *ids; /* owned; rising, unique */
	size_t count;
	uint32_t main;
};

static int compare_ids(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a;
	uint32_t other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

static void sort_used(struct used_ids *used)
{
	size_t kept = 0;

	if (used->count == 0)
		return;
	qsort(used->ids, used->count, sizeof(*used->ids), compare_ids);
	for (size_t i = 1; i < used->count; i++) {
		if (used->ids[i] != used->ids[kept])
			used->ids[++kept] = used->ids[i];
	}
	used->count = kept + 1;
}

/* The effective id of the task that was asked about first, which is the container's first one.
 * Objects of the container have ids too. */
static uint32_t main_id(const struct plan *plan, enum policy_class class)
{
	const struct decision *first = NULL;

	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if (decision->class != class || decision->saved >= ID_NONE ||
		    (plan->name_count > 0 && !plan_name_of(plan, decision->id)))
			continue;
		if (!first)
			first = decision;
		if (decision->id != first->id)
			break;
		if (decision->detail == 1)
			return (uint32_t)decision->saved;
	}
	return first ? (uint32_t)first->saved : 0;
}

/* Ids of one class, and of another that shares the map (CLASS_COUNT: none). */
static struct used_ids collect(const struct plan *plan, enum policy_class class,
			       enum policy_class also)
{
	struct used_ids used = { .main = main_id(plan, class) };

	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if ((decision->class != class && decision->class != also) ||
		    decision->saved >= ID_NONE)
			continue;
		array_grow(used.ids, used.count);
		used.ids[used.count++] = (uint32_t)decision->saved;
	}
	sort_used(&used);
	return used;
}

/* What the administrator does not let become what it would. His preset counts where it is one. */
static void narrow_map(const struct plan *plan, const struct id_lines *lines, uint32_t main,
		       uint32_t invoker, struct mapping *mapping)
{
	const struct policy *also = plan->policy->also;
	struct id_line line = { .image = main, .count = 1, .is_invoker = true };
	const struct id_lines single = { .list = &line, .count = 1 };

	if (lines)
		mapping_narrow(mapping, lines, invoker);
	else if (also->preset && also->ids == IDS_INVOKER && !plan->facts.may_map_all)
		mapping_narrow(mapping, &single, invoker);
}

static bool has_given_uids(const struct plan *plan)
{
	return plan->facts.bound && plan->facts.bound->uid_count > 0;
}

static bool has_given_gids(const struct plan *plan)
{
	return plan->facts.bound && plan->facts.bound->gid_count > 0;
}

static void make_uid_map(struct plan *plan)
{
	const struct host_facts *facts = &plan->facts;
	struct used_ids used = collect(plan, CLASS_UID, CLASS_COUNT);

	if (has_given_uids(plan))
		mapping_make_given(facts->bound->uids, facts->bound->uid_count, &plan->uids);
	else if (plan->policy->uid_lines)
		mapping_make_lines(plan->policy->uid_lines, facts->uid, facts->uid_ranges,
				   facts->uid_range_count, &plan->uids);
	else if (facts->may_map_all)
		mapping_make_identity(facts->own_uids, facts->own_uid_count, &plan->uids);
	else if (plan->policy->ids == IDS_RANGES)
		mapping_make_ranges(used.main, facts->uid, used.ids, used.count, facts->uid_ranges,
				    facts->uid_range_count, &plan->uids);
	else
		mapping_make_single(used.main, facts->uid, &plan->uids);
	if (plan->policy->also)
		narrow_map(plan, plan->policy->also->uid_lines, used.main, facts->uid, &plan->uids);
	free(used.ids);
}

static void make_gid_map(struct plan *plan)
{
	const struct host_facts *facts = &plan->facts;
	struct used_ids used = collect(plan, CLASS_GID, CLASS_GROUPS);

	if (has_given_gids(plan))
		mapping_make_given(facts->bound->gids, facts->bound->gid_count, &plan->gids);
	else if (plan->policy->gid_lines)
		mapping_make_lines(plan->policy->gid_lines, facts->gid, facts->gid_ranges,
				   facts->gid_range_count, &plan->gids);
	else if (facts->may_map_all)
		mapping_make_identity(facts->own_gids, facts->own_gid_count, &plan->gids);
	else if (plan->policy->ids == IDS_RANGES)
		mapping_make_ranges(used.main, facts->gid, used.ids, used.count, facts->gid_ranges,
				    facts->gid_range_count, &plan->gids);
	else
		mapping_make_single(used.main, facts->gid, &plan->gids);
	if (plan->policy->also)
		narrow_map(plan, plan->policy->also->gid_lines, used.main, facts->gid, &plan->gids);
	free(used.ids);
}

/* newgidmap denies setgroups, as the kernel demands of us, where only one's own gid is mapped. */
static bool may_setgroups(const struct plan *plan)
{
	const struct mapping *gids = &plan->gids;

	if (plan->facts.is_setgroups_denied)
		return false;
	if (plan->facts.is_joined)
		return true;
	if (plan->facts.may_map_all)
		return true;
	return gids->count > 1 || (gids->count == 1 && gids->lines[0].count > 1);
}

static bool is_by_bundle(const struct plan *plan, const struct decision *decision)
{
	return decision->class == CLASS_UID ? has_given_uids(plan) : has_given_gids(plan);
}

/* Do lines of a policy file decide about it? */
static bool is_by_lines(const struct plan *plan, const struct decision *decision)
{
	const struct policy *policy = plan->policy;
	bool is_uid = decision->class == CLASS_UID;

	return (is_uid ? policy->uid_lines : policy->gid_lines) ||
	       (policy->also && (is_uid ? policy->also->uid_lines : policy->also->gid_lines));
}

static const char *refusal_reason(const struct plan *plan, const struct decision *decision)
{
	if (plan->facts.is_joined)
		return "the container's configuration has no place for this id";
	if (is_by_bundle(plan, decision))
		return "the bundle has no place for this id";
	if (is_by_lines(plan, decision))
		return "the policy has no place for this id";
	if (plan->facts.may_map_all)
		return "the invoker's own user namespace does not have this id";
	if (plan->policy->ids == IDS_RANGES)
		return "no id is left for it";
	return "only one id can become the invoker";
}

static const char *refusal_remedy(const struct plan *plan, const struct decision *decision)
{
	if (plan->facts.is_joined)
		return "start the container with the user and the ids that were saved";
	if (is_by_bundle(plan, decision))
		return "add it to the bundle's uidMappings and gidMappings";
	if (is_by_lines(plan, decision))
		return "change the lines of the policy, or use another one";
	if (plan->facts.may_map_all)
		return "restore in the initial user namespace";
	return policy_rule_for(plan->policy, decision)->remedy;
}

static void decide_id(struct plan *plan, const struct mapping *mapping, uint32_t invoker,
		      struct decision *decision)
{
	uint32_t outside;

	decision->invoker = invoker;
	if (decision->saved >= ID_NONE) {
		decision_refuse(decision, "no such id", "the image is not one that ctckpt wrote");
		return;
	}
	outside = mapping_find(mapping, (uint32_t)decision->saved);
	if (outside == ID_NONE) {
		decision_refuse(decision, refusal_reason(plan, decision),
				refusal_remedy(plan, decision));
		return;
	}
	decision->effective = decision->saved;
	decision->outcome = OUTCOME_MAP;
	if (plan->facts.may_map_all && outside == decision->saved)
		decision->outcome = OUTCOME_KEEP;
	else if (outside == invoker)
		decision->effective_text = "invoker";
	else
		decision->effective_text = "subordinate id";
}

/* What a group is shown as that is not of the container's user namespace: it was the invoker's, who
 * had no gids to map it to. */
static bool is_foreign(const struct plan *plan, const struct decision *decision)
{
	return decision->saved == 65534 && mapping_find(&plan->gids, 65534) == ID_NONE;
}

/* Without setgroups, everybody keeps the invoker's list. */
static void decide_fixed_group(struct plan *plan, struct decision *decision)
{
	decision->effective_text = NULL;
	if (mapping_find(&plan->gids, (uint32_t)decision->saved) == plan->facts.gid) {
		/* The invoker's own gid: a member already. */
		decision->outcome = OUTCOME_KEEP;
	} else if (plan->policy->ids == IDS_INVOKER || is_foreign(plan, decision)) {
		decision->outcome = OUTCOME_INHERIT;
		decision->effective = ID_NONE;
		decision->reason = "the invoker's own groups remain instead";
		decision->remedy = NULL;
	} else if (decision->outcome != OUTCOME_REFUSE) {
		decision_refuse(decision, "the kernel denies setgroups here",
				"restore in the initial user namespace");
	}
}

static void decide_group(struct plan *plan, struct decision *decision)
{
	decide_id(plan, &plan->gids, plan->facts.gid, decision);
	if (!plan->may_setgroups && decision->saved < ID_NONE)
		decide_fixed_group(plan, decision);
}

static void report_own_groups(struct plan *plan)
{
	for (size_t i = 0; i < plan->facts.group_count; i++) {
		struct decision decision = {
			.class = CLASS_GROUPS,
			.detail = (uint32_t)i,
			.outcome = OUTCOME_INHERIT,
			.effective = ID_NONE,
			.saved = ID_NONE,
			.invoker = plan->facts.groups[i],
			.rule = plan->policy->rules[CLASS_GROUPS].name,
			.reason = "the kernel lets nobody drop it without a map of more gids",
		};

		if (plan->facts.groups[i] != plan->facts.gid)
			plan_add(plan, &decision);
	}
}

void plan_settle_ids(struct plan *plan)
{
	make_uid_map(plan);
	make_gid_map(plan);
	plan->may_setgroups = may_setgroups(plan);

	for (size_t i = 0; i < plan->decision_count; i++) {
		struct decision *decision = &plan->decisions[i];

		/* A detail that does not exist was refused already, as what the rule forbids. */
		if (decision->outcome == OUTCOME_REFUSE || decision->outcome == OUTCOME_RECORD)
			continue;
		if (decision->class == CLASS_UID)
			decide_id(plan, &plan->uids, plan->facts.uid, decision);
		else if (decision->class == CLASS_GID)
			decide_id(plan, &plan->gids, plan->facts.gid, decision);
		else if (decision->class == CLASS_GROUPS)
			decide_group(plan, decision);
		bound_narrow_id(plan->facts.bound, decision);
	}
	if (!plan->may_setgroups && !plan->policy->never_runs)
		report_own_groups(plan);
}
