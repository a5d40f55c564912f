/* What a bundle says of an image: decisions that it lowers, mounts that it makes instead. */
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_bound.h"
#include "oci/bundle.h"
#include "policy/bound.h"
#include "policy/policy.h"
#include "unit.h"

static const struct bound bound = {
	.caps = { 0, 3, 3, 3, 0 },
	.limits = { [RLIMIT_NOFILE] = { true, 10, 20 } },
	.no_new_privs = true,
	.has_oom_score_adj = true,
	.oom_score_adj = -5,
	.has_filter = true,
};

static struct decision decided(enum policy_class class, uint32_t detail, uint64_t saved)
{
	struct decision decision = { .class = class,
				     .detail = detail,
				     .saved = saved,
				     .effective = saved,
				     .outcome = OUTCOME_KEEP,
				     .rule = "map" };

	bound_narrow(&bound, &decision);
	return decision;
}

static void decisions(struct unit *unit)
{
	struct decision caps = decided(CLASS_CAPS, 1, 6);
	struct decision soft = decided(CLASS_RLIMIT, 2 * RLIMIT_NOFILE, 15);
	struct decision hard = decided(CLASS_RLIMIT, 2 * RLIMIT_NOFILE + 1, 15);
	struct decision other = decided(CLASS_RLIMIT, 2 * RLIMIT_STACK, 15);
	struct decision privs = decided(CLASS_NO_NEW_PRIVS, 0, 0);
	struct decision filter = decided(CLASS_SECCOMP, 0, 0);
	struct decision killed_first = decided(CLASS_OOM_SCORE_ADJ, 0, 7);
	struct decision killed_last = decided(CLASS_OOM_SCORE_ADJ, 0, (uint64_t)INT64_C(-8));

	EXPECT(unit, caps.effective == 2 && caps.outcome == OUTCOME_DROP);
	EXPECT_TEXT(unit, caps.rule, "bundle");
	EXPECT(unit, soft.effective == 10 && soft.outcome == OUTCOME_CLAMP);
	EXPECT(unit, hard.effective == 15 && hard.outcome == OUTCOME_KEEP);
	EXPECT_TEXT(unit, hard.rule, "map");
	EXPECT(unit, other.effective == 15);
	EXPECT(unit, privs.effective == 1 && privs.outcome == OUTCOME_CLAMP);
	EXPECT(unit, filter.effective == SECCOMP_MODE_FILTER && filter.outcome == OUTCOME_CLAMP);
	EXPECT(unit, killed_first.effective == 7 && killed_first.outcome == OUTCOME_KEEP);
	EXPECT(unit, killed_last.effective == (uint64_t)INT64_C(-5) &&
			 killed_last.outcome == OUTCOME_CLAMP);
	filter = decided(CLASS_SECCOMP, 0, SECCOMP_MODE_FILTER);
	EXPECT(unit, filter.outcome == OUTCOME_KEEP);
	filter.outcome = OUTCOME_REFUSE;
	bound_narrow(&bound, &filter);
	EXPECT(unit, filter.outcome == OUTCOME_REFUSE);
}

static enum outcome group_of(const struct bound *of, enum outcome outcome, uint32_t id)
{
	struct decision decision = {
		.class = CLASS_GROUPS, .saved = id, .effective = id, .outcome = outcome
	};

	bound_narrow_id(of, &decision);
	return decision.outcome;
}

static void groups(struct unit *unit)
{
	uint32_t more[] = { 9, 10 };
	struct bound user = { .user = 7, .group = 8, .groups = more, .group_count = 2 };
	struct bound *copy = bound_copy(&user);

	for (uint32_t id = 8; id <= 10; id++)
		EXPECT(unit, group_of(copy, OUTCOME_KEEP, id) == OUTCOME_KEEP);
	EXPECT(unit, group_of(copy, OUTCOME_KEEP, 11) == OUTCOME_REFUSE);
	EXPECT(unit, group_of(copy, OUTCOME_MAP, 7) == OUTCOME_REFUSE);
	EXPECT(unit, group_of(copy, OUTCOME_INHERIT, 11) == OUTCOME_INHERIT);
	EXPECT(unit, group_of(copy, OUTCOME_DROP, 11) == OUTCOME_DROP);
	copy->user = 0;
	EXPECT(unit, group_of(copy, OUTCOME_KEEP, 11) == OUTCOME_KEEP);
	bound_free(copy);
}

static void nothing_is_raised(struct unit *unit)
{
	struct decision caps = { .class = CLASS_CAPS, .detail = 1, .saved = 7, .effective = 0 };

	bound_narrow(&bound, &caps);
	EXPECT(unit, caps.effective == 0);
	bound_narrow(NULL, &caps);
	EXPECT(unit, caps.effective == 0);
}

/* ---- mounts ---- */

static void add(struct mount_list *list, enum mount_how how, uint32_t parent, const char *point,
		uint32_t content)
{
	array_grow(list->entries, list->count);
	list->entries[list->count++] = (struct mount_entry){
		.how = how,
		.parent = parent,
		.content = content,
		.point = mem_string(point),
		.root = mem_string(""),
		.type = mem_string(content ? "tmpfs" : ""),
		.device = mem_string(""),
		.options = mem_string(content ? "size=1k" : ""),
	};
}

static struct bound *with_points(void)
{
	struct bound *points = mem_alloc(1, sizeof(*points));

	bound_add_point(points, "/", BOUND_OTHER, false);
	bound_add_point(points, "/dev", BOUND_TMPFS, false);
	bound_add_point(points, "/dev/shm", BOUND_BIND, false);
	bound_add_point(points, "/proc/acpi", BOUND_OTHER, false);
	bound_add_point(points, "/sys/fs/cgroup", BOUND_OTHER, true);
	return points;
}

static void mounts(struct unit *unit)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	struct bound *points = with_points();

	add(&list, MOUNT_THERE, 0, "/dev", 1);
	add(&list, MOUNT_FILESYSTEM, 1, "shm", 2);
	add(&list, MOUNT_FILESYSTEM, 2, "", 3); /* over it */
	add(&list, MOUNT_THERE, 0, "/dev/mqueue", 0);
	add(&list, MOUNT_NAMED, 0, "/sys/fs/cgroup/cpu", 0);
	add(&list, MOUNT_FILESYSTEM, 0, "/proc/acpi", 4);
	add(&list, MOUNT_GONE, 0, "/dev/tty", 0);
	EXPECT(unit, !mount_is_missed(&list, 0, points));
	mount_list_apply(&list, points);
	EXPECT(unit, list.entries[0].how == MOUNT_THERE && list.entries[0].content == 1);
	EXPECT_TEXT(unit, list.entries[0].options, "");
	EXPECT(unit, list.entries[1].how == MOUNT_THERE && list.entries[1].content == 2);
	EXPECT_TEXT(unit, list.entries[1].point, "/dev/shm");
	EXPECT(unit, list.entries[2].how == MOUNT_FILESYSTEM && list.entries[2].parent == 2);
	EXPECT_TEXT(unit, list.entries[2].options, "size=1k");
	EXPECT(unit, list.entries[3].how == MOUNT_GONE && !list.entries[3].point[0]);
	EXPECT(unit, list.entries[4].how == MOUNT_THERE);
	EXPECT(unit, list.entries[5].how == MOUNT_THERE && list.entries[5].content == 0);
	EXPECT(unit, list.entries[6].how == MOUNT_GONE && !list.entries[6].point[0]);
	bound_free(points);
}

static void files_that_are_missed(struct unit *unit)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	struct bound *points = with_points();

	add(&list, MOUNT_THERE, 0, "/run", 1);
	EXPECT(unit, mount_is_missed(&list, 0, points));
	EXPECT(unit, !mount_is_missed(&list, 0, NULL));
	mount_list_apply(&list, NULL);
	EXPECT(unit, list.entries[0].how == MOUNT_THERE && list.entries[0].content == 1);
	bound_free(points);
}

/* ---- options ---- */

static void options(struct unit *unit)
{
	char *words[] = { (char *)"rbind",
			  (char *)"rro",
			  (char *)"nosuid",
			  (char *)"suid",
			  (char *)"noatime",
			  (char *)"relatime",
			  (char *)"size=1k",
			  (char *)"mode=700",
			  (char *)"rshared",
			  (char *)"tmpcopyup",
			  NULL };
	const struct oci_mount mount = { .options = { words, 10 } };
	struct mount_wish wish = { .data = NULL };
	struct err err = ERR_NONE;

	if (!EXPECT(unit, mount_wish_read(&mount, &wish, &err) == 0))
		return;
	EXPECT(unit, wish.is_bind && wish.is_deep);
	EXPECT(unit, wish.deep_attributes == 1 && wish.attributes == 1);
	EXPECT_TEXT(unit, wish.data, "size=1k,mode=700");
	mount_wish_free(&wish);
}

static const struct unit_case cases[] = {
	UNIT_CASE(decisions), UNIT_CASE(groups),  UNIT_CASE(nothing_is_raised),
	UNIT_CASE(mounts),    UNIT_CASE(options), UNIT_CASE(files_that_are_missed),
};

int main(void)
{
	return UNIT_RUN(cases);
}
