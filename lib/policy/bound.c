/* The bundle's say. See bound.h. */
#include "policy/bound.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "policy/policy.h"

static void *copy_array(const void *array, size_t count, size_t size)
{
	return count ? mem_copy(array, count * size) : NULL;
}

struct bound *bound_copy(const struct bound *bound)
{
	struct bound *copy = bound ? mem_copy(bound, sizeof(*bound)) : NULL;

	if (!copy)
		return NULL;
	copy->uids = copy_array(bound->uids, bound->uid_count, sizeof(*bound->uids));
	copy->gids = copy_array(bound->gids, bound->gid_count, sizeof(*bound->gids));
	copy->groups = copy_array(bound->groups, bound->group_count, sizeof(*bound->groups));
	copy->hostname = bound->hostname ? mem_string(bound->hostname) : NULL;
	copy->domainname = bound->domainname ? mem_string(bound->domainname) : NULL;
	copy->points = NULL;
	copy->point_count = 0;
	for (size_t i = 0; i < bound->point_count; i++) {
		const struct bound_point *point = &bound->points[i];

		bound_add_point(copy, point->path, point->sort, point->is_whole);
	}
	return copy;
}

void bound_free(struct bound *bound)
{
	if (!bound)
		return;
	for (size_t i = 0; i < bound->point_count; i++)
		free(bound->points[i].path);
	free(bound->points);
	free(bound->uids);
	free(bound->gids);
	free(bound->groups);
	free(bound->hostname);
	free(bound->domainname);
	free(bound);
}

void bound_add_point(struct bound *bound, const char *path, enum bound_sort sort, bool is_whole)
{
	array_grow(bound->points, bound->point_count);
	bound->points[bound->point_count++] =
	    (struct bound_point){ mem_string(path), sort, is_whole };
}

/* The last one: it is over the others. */
const struct bound_point *bound_point_at(const struct bound *bound, const char *path)
{
	for (size_t i = bound->point_count; i-- > 0;) {
		const struct bound_point *point = &bound->points[i];
		size_t length = strlen(point->path);

		if (strcmp(point->path, path) == 0 ||
		    (point->is_whole && strncmp(point->path, path, length) == 0 &&
		     path[length] == '/'))
			return point;
	}
	return NULL;
}

/* ---- decisions ---- */

static bool find_most(const struct bound *bound, const struct decision *decision,
		      struct decision *most)
{
	const struct bound_limit *limit;

	switch (decision->class) {
	case CLASS_CAPS:
		most->effective = decision->detail < 5 ? bound->caps[decision->detail] : 0;
		most->outcome = OUTCOME_DROP;
		return true;
	case CLASS_RLIMIT:
		limit = &bound->limits[decision->detail / 2 % 16];
		most->effective = decision->detail % 2 ? limit->hard : limit->soft;
		most->outcome = OUTCOME_CLAMP;
		return limit->is_given;
	case CLASS_NO_NEW_PRIVS:
		most->effective = 1;
		most->outcome = OUTCOME_CLAMP;
		return bound->no_new_privs;
	case CLASS_OOM_SCORE_ADJ:
		most->effective = (uint64_t)bound->oom_score_adj;
		most->outcome = OUTCOME_CLAMP;
		return bound->has_oom_score_adj;
	default:
		return false;
	}
}

/* A filter takes away only: one that was not there is no loss of the task's own. It replaces none:
 * a saved one that is not known stays refused. */
static void narrow_seccomp(const struct bound *bound, struct decision *decision)
{
	if (!bound->has_filter || decision->outcome == OUTCOME_REFUSE)
		return;
	decision->effective = SECCOMP_MODE_FILTER;
	decision->outcome = decision->saved ? OUTCOME_KEEP : OUTCOME_CLAMP;
	decision->rule = "bundle";
	decision->reason = decision->saved ? "with the bundle's filter" : "the bundle's filter";
	decision->remedy = NULL;
}

/* What was root would get all of the bounding set by the next program it executes. */
static void narrow_id(const struct bound *bound, struct decision *decision)
{
	uint32_t only = decision->class == CLASS_UID ? bound->user : bound->group;

	if (bound->user == 0 || decision->outcome == OUTCOME_REFUSE || decision->effective == only)
		return;
	decision->outcome = OUTCOME_REFUSE;
	decision->rule = "bundle";
	decision->reason = "the bundle's process is another user's";
	decision->remedy = "name the user that was saved as process.user in config.json";
}

static bool is_group(const struct bound *bound, uint64_t id)
{
	for (size_t i = 0; i < bound->group_count; i++) {
		if (bound->groups[i] == id)
			return true;
	}
	return bound->group == id;
}

/* Groups that stay because nobody can change them here are the invoker's, not the image's. */
static void narrow_group(const struct bound *bound, struct decision *decision)
{
	if (bound->user == 0 || decision->outcome == OUTCOME_REFUSE ||
	    decision->outcome == OUTCOME_DROP || decision->outcome == OUTCOME_INHERIT ||
	    is_group(bound, decision->effective))
		return;
	decision->outcome = OUTCOME_REFUSE;
	decision->rule = "bundle";
	decision->reason = "the bundle's process is not in this group";
	decision->remedy = "name it in process.user.additionalGids of config.json";
}

void bound_narrow_id(const struct bound *bound, struct decision *decision)
{
	if (!bound || decision->outcome == OUTCOME_RECORD)
		return;
	if (decision->class == CLASS_UID || decision->class == CLASS_GID)
		narrow_id(bound, decision);
	else if (decision->class == CLASS_GROUPS)
		narrow_group(bound, decision);
}

void bound_narrow(const struct bound *bound, struct decision *decision)
{
	struct decision most = { .class = decision->class, .rule = "bundle" };

	if (!bound || decision->outcome == OUTCOME_RECORD)
		return;
	if (decision->class == CLASS_MOUNT && decision->outcome == OUTCOME_REFUSE &&
	    decision->invoker == MOUNT_UNNAMED)
		decision->remedy = "add it to the bundle's mounts";
	if (decision->class == CLASS_SECCOMP)
		narrow_seccomp(bound, decision);
	else if (find_most(bound, decision, &most))
		decision_narrow(decision, &most, false);
}
