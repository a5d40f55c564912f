/* Id maps, and what the presets make of ids. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"
#include "policy/subid.h"
#include "policy_check.h"

static bool is_line(const struct mapping *mapping, size_t number, uint32_t inside, uint32_t outside,
		    uint32_t count)
{
	const struct id_map *line = &mapping->lines[number];

	return number < mapping->count && line->inside == inside && line->outside == outside &&
	       line->count == count;
}

static bool ranges_are(const struct id_range *ranges, size_t count, const struct id_range *wanted,
		       size_t wanted_count)
{
	return count == wanted_count &&
	       (count == 0 || memcmp(ranges, wanted, count * sizeof(*ranges)) == 0);
}

static bool parses_to(const char *text, const struct id_range *wanted, size_t wanted_count)
{
	struct id_range *ranges = NULL;
	size_t count = 0;
	bool holds;

	subid_parse(text, "ann", 1000, 1000, &ranges, &count);
	holds = ranges_are(ranges, count, wanted, wanted_count);
	free(ranges);
	return holds;
}

static void test_subid(struct checks *checks)
{
	const struct id_range one = { 100000, 65536 };
	const struct id_range two[] = { { 100000, 65536 }, { 300000, 10 } };
	const struct id_range around[] = { { 999, 1 }, { 1001, 8 } };
	const struct id_range top = { 4294967290, 5 };
	auto_buf struct buf text = BUF_EMPTY;

	check_case(checks, "subid: by name", parses_to("bob:1:2\nann:100000:65536\n", &one, 1));
	check_case(checks, "subid: by uid, no newline", parses_to("1000:100000:65536", &one, 1));
	check_case(checks, "subid: overlapping lines are joined",
		   parses_to("ann:100010:65526\n1000:100000:20\nann:300000:10\n", two, 2));
	check_case(checks, "subid: adjacent lines are joined",
		   parses_to("ann:100536:65000\nann:100000:536\n", &one, 1));
	check_case(checks, "subid: one's own id is left out", parses_to("ann:999:10\n", around, 2));
	check_case(checks, "subid: cut off before the last id",
		   parses_to("ann:4294967290:65536\n", &top, 1));
	check_case(
	    checks, "subid: nonsense is skipped",
	    parses_to("ann\nann:\n:::\nann:1\nann:1:\nann:x:1\nann:1:x\nann:-1:5\nann:1:2:3\n"
		      "ann:1:2 \nann: 1:2\nanne:1:2\nan:1:2\nann:99999999999999999999:1\n"
		      "ann:5:0\nann:4294967295:1\n01000x:1:2\n",
		      NULL, 0));
	check_case(checks, "subid: nothing", parses_to("", NULL, 0));

	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "u%d:%d:1\n", i, i);
	buf_printf(&text, "ann:100000:65536\n");
	check_case(checks, "subid: a long file", parses_to(text.data, &one, 1));
}

static void test_map_text(struct checks *checks)
{
	struct id_range *ranges = NULL;
	size_t count = 0;
	const struct id_range two[] = { { 0, 1 }, { 7, 3 } };

	subid_parse_map("         0       1000          1\n         7     100000          3\n",
			&ranges, &count);
	check_case(checks, "an id map's inner ids", ranges_are(ranges, count, two, 2));
	free(ranges);
	check_case(checks, "the initial map",
		   subid_map_is_initial("         0          0 4294967295\n") &&
		       !subid_map_is_initial("         0          0 65536\n") &&
		       !subid_map_is_initial("         0       1000          1\n") &&
		       !subid_map_is_initial(""));
}

static void test_ranges(struct checks *checks)
{
	const struct id_range wide = { 100000, 65536 };
	const struct id_range narrow = { 100000, 2 };
	const struct id_range split[] = { { 100000, 1000 }, { 300000, 70000 } };
	const uint32_t used[] = { 0, 33, 1000, 100000 };
	struct mapping map = MAPPING_NONE;

	mapping_make_ranges(0, 1000, used, 3, &wide, 1, &map);
	check_case(checks, "a full map around root",
		   map.count == 2 && is_line(&map, 0, 0, 1000, 1) &&
		       is_line(&map, 1, 1, 100000, 65535));
	mapping_free(&map);

	mapping_make_ranges(33, 1000, used, 4, &wide, 1, &map);
	check_case(checks, "a full map around another id, and one above",
		   map.count == 4 && is_line(&map, 0, 0, 100000, 33) &&
		       is_line(&map, 1, 33, 1000, 1) && is_line(&map, 2, 34, 100033, 65502) &&
		       is_line(&map, 3, 100000, 165535, 1));
	mapping_free(&map);

	mapping_make_ranges(0, 1000, used, 3, split, 2, &map);
	check_case(checks, "a full map over two ranges",
		   map.count == 3 && is_line(&map, 1, 1, 100000, 1000) &&
		       is_line(&map, 2, 1001, 300000, 64535));
	mapping_free(&map);

	mapping_make_ranges(0, 1000, used, 4, &narrow, 1, &map);
	check_case(checks, "only the ids in use, as far as the range goes",
		   map.count == 3 && is_line(&map, 0, 0, 1000, 1) &&
		       is_line(&map, 1, 33, 100000, 1) && is_line(&map, 2, 1000, 100001, 1) &&
		       mapping_find(&map, 33) == 100000 && !mapping_has(&map, 100000) &&
		       !mapping_has(&map, 1) && !mapping_has(&map, ID_NONE));
	mapping_free(&map);

	mapping_make_ranges(7, 1000, NULL, 0, NULL, 0, &map);
	check_case(checks, "no range: the main id alone",
		   map.count == 1 && is_line(&map, 0, 7, 1000, 1));
	mapping_free(&map);
}

static void test_too_many_lines(struct checks *checks)
{
	const struct id_range range = { 100000, 5000 };
	const struct id_range wide = { 100000, 70000 };
	const struct id_range exact = { 100000, 65535 };
	struct mapping map = MAPPING_NONE;
	uint32_t used[400];

	for (uint32_t i = 0; i < 400; i++)
		used[i] = 10 * i;
	mapping_make_ranges(0, 1000, used, 340, &range, 1, &map);
	check_case(checks, "340 lines are a map", map.count == 340);
	mapping_free(&map);
	mapping_make_ranges(0, 1000, used, 341, &range, 1, &map);
	check_case(checks, "341 lines are none", map.count == 1 && is_line(&map, 0, 0, 1000, 1));
	mapping_free(&map);

	for (uint32_t i = 0; i < 400; i++)
		used[i] = 70000 + 10 * i;
	mapping_make_ranges(0, 1000, used, 400, &wide, 1, &map);
	check_case(checks, "a full map of 402 lines is none",
		   map.count == 1 && is_line(&map, 0, 0, 1000, 1));
	mapping_free(&map);

	mapping_make_ranges(0, 1000, used, 1, &exact, 1, &map);
	check_case(checks, "no full map where it leaves none for an id in use",
		   map.count == 1 && is_line(&map, 0, 70000, 100000, 1));
	mapping_free(&map);
}

/* A plan for uid 1000, who has `count` subordinate ids from 100000, as `threads` with one uid
 * (0: all the same, else the thread's number) for each of r, e, s, fs. */
struct scene {
	const char *preset;
	uint32_t range;
	bool is_root;
	bool is_setgroups_denied;
	struct plan *plan;
};

static void scene_start(struct scene *scene)
{
	static gid_t groups[] = { 1000, 27 };
	struct id_range all = { 0, UINT32_MAX };
	struct id_range range = { 100000, scene->range };
	struct host_facts facts = {
		.uid = 1000,
		.gid = 1000,
		.groups = groups,
		.group_count = 2,
		.uid_ranges = &range,
		.uid_range_count = scene->range ? 1 : 0,
		.gid_ranges = &range,
		.gid_range_count = scene->range ? 1 : 0,
		.own_uids = &all,
		.own_uid_count = 1,
		.own_gids = &all,
		.own_gid_count = 1,
		.may_map_all = scene->is_root,
		.is_setgroups_denied = scene->is_setgroups_denied,
	};
	const struct policy *policy = NULL;
	struct err err = ERR_NONE;

	if (policy_preset(scene->preset, &policy, &err) < 0)
		abort();
	if (scene->is_root)
		facts.uid = facts.gid = 0;
	scene->plan = plan_new(NULL, policy, &facts);
}

static void ask_id(struct scene *scene, enum policy_class class, uint32_t id, uint32_t detail,
		   uint64_t saved)
{
	const struct question question = {
		.class = class, .id = id, .detail = detail, .saved = saved
	};

	plan_ask(scene->plan, &question);
}

static void ask_thread(struct scene *scene, uint32_t id, uint64_t uid, uint64_t gid)
{
	for (uint32_t detail = 0; detail < 4; detail++) {
		ask_id(scene, CLASS_UID, id, detail, uid);
		ask_id(scene, CLASS_GID, id, detail, gid);
	}
}

static bool answers(const struct scene *scene, enum policy_class class, uint32_t id,
		    uint32_t detail, enum outcome outcome, uint64_t effective)
{
	const struct decision *decision = plan_answer(scene->plan, class, id, detail);

	return decision && decision->outcome == outcome && decision->effective == effective;
}

static size_t count_refusals(const struct scene *scene)
{
	size_t refusals = 0;

	for (size_t i = 0; i < scene->plan->decision_count; i++)
		refusals += scene->plan->decisions[i].outcome == OUTCOME_REFUSE;
	return refusals;
}

static void test_strict_single(struct checks *checks)
{
	struct scene scene = { .preset = "strict", .range = 65536 };
	size_t count;
	const struct id_map *map;

	scene_start(&scene);
	ask_thread(&scene, 1, 33, 44);
	ask_thread(&scene, 2, 33, 44);
	ask_id(&scene, CLASS_GROUPS, 1, 0, 44);
	ask_id(&scene, CLASS_GROUPS, 2, 0, 55);
	plan_settle(scene.plan);
	map = plan_uid_map(scene.plan, &count);
	check_case(checks, "strict: one uid becomes the invoker",
		   count == 1 && map->inside == 33 && map->outside == 1000 && map->count == 1 &&
		       answers(&scene, CLASS_UID, 2, 3, OUTCOME_MAP, 33) &&
		       answers(&scene, CLASS_GID, 2, 1, OUTCOME_MAP, 44) &&
		       count_refusals(&scene) == 0);
	check_case(checks, "strict: the only gid as a group is kept",
		   answers(&scene, CLASS_GROUPS, 1, 0, OUTCOME_KEEP, 44));
	check_case(checks, "strict: other groups are the invoker's",
		   answers(&scene, CLASS_GROUPS, 2, 0, OUTCOME_INHERIT, ID_NONE));
	check_case(checks, "strict: the invoker's groups are reported",
		   answers(&scene, CLASS_GROUPS, 0, 1, OUTCOME_INHERIT, ID_NONE) &&
		       !plan_answer(scene.plan, CLASS_GROUPS, 0, 0));
	check_case(checks, "strict: no setgroups", !plan_may_setgroups(scene.plan));
	plan_free(scene.plan);
}

/* Each of real, effective, saved, fs alone, in one thread of many; uid and gid. */
static void test_strict_second(struct checks *checks)
{
	bool are_refused = true;

	for (uint32_t detail = 0; detail < 8; detail++) {
		struct scene scene = { .preset = "strict", .range = 65536 };

		scene_start(&scene);
		for (uint32_t id = 1; id < 9; id++) {
			for (uint32_t i = 0; i < 4; i++) {
				ask_id(&scene, CLASS_UID, id, i, id == 5 && i == detail);
				ask_id(&scene, CLASS_GID, id, i, id == 5 && i + 4 == detail);
			}
		}
		plan_settle(scene.plan);
		are_refused &=
		    count_refusals(&scene) == 1 &&
		    plan_answer(scene.plan, detail < 4 ? CLASS_UID : CLASS_GID, 5, detail % 4)
			    ->outcome == OUTCOME_REFUSE;
		plan_free(scene.plan);
	}
	check_case(checks, "strict: a second id anywhere is refused", are_refused);
}

static void test_damage(struct checks *checks)
{
	static const char *const presets[] = { "strict", "map" };
	bool are_refused = true;

	for (int i = 0; i < 4; i++) {
		struct scene scene = { .preset = presets[i % 2], .range = 65536, .is_root = i > 1 };

		scene_start(&scene);
		ask_thread(&scene, 1, UINT32_MAX, UINT64_MAX);
		ask_id(&scene, CLASS_GROUPS, 1, 0, UINT32_MAX);
		ask_id(&scene, CLASS_GROUPS, 1, 1, UINT64_C(1) << 32);
		ask_id(&scene, CLASS_UID, 1, 4, 0);
		plan_settle(scene.plan);
		are_refused &= count_refusals(&scene) == 11;
		plan_free(scene.plan);
	}
	check_case(checks, "ids that are none are refused by every preset", are_refused);
}

static void test_map(struct checks *checks)
{
	struct scene scene = { .preset = "map", .range = 65536 };
	size_t count;
	const struct id_map *map;

	scene_start(&scene);
	ask_thread(&scene, 1, 0, 0);
	ask_thread(&scene, 2, 33, 33);
	ask_id(&scene, CLASS_GROUPS, 2, 0, 5);
	plan_settle(scene.plan);
	map = plan_uid_map(scene.plan, &count);
	check_case(checks, "map: root is the invoker, others have places",
		   count == 2 && map[0].inside == 0 && map[0].outside == 1000 &&
		       map[1].inside == 1 && map[1].outside == 100000 && map[1].count == 65535 &&
		       answers(&scene, CLASS_UID, 2, 1, OUTCOME_MAP, 33));
	check_case(checks, "map: groups are mapped",
		   plan_may_setgroups(scene.plan) &&
		       answers(&scene, CLASS_GROUPS, 2, 0, OUTCOME_MAP, 5));
	plan_free(scene.plan);
}

static void test_map_refusals(struct checks *checks)
{
	struct scene scene = { .preset = "map" };
	struct err err = ERR_NONE;

	scene_start(&scene);
	ask_thread(&scene, 1, 0, 0);
	ask_id(&scene, CLASS_GROUPS, 1, 0, 0);
	plan_settle(scene.plan);
	check_case(checks, "map: without a range, one id will do",
		   plan_verdict(scene.plan, &err) == 0 &&
		       answers(&scene, CLASS_GROUPS, 1, 0, OUTCOME_KEEP, 0));
	plan_free(scene.plan);

	scene_start(&scene);
	ask_thread(&scene, 1, 0, 0);
	ask_thread(&scene, 2, 33, 0);
	plan_settle(scene.plan);
	check_case(checks, "map: without a range, a second id is refused",
		   plan_verdict(scene.plan, &err) == ERR_REFUSED && count_refusals(&scene) == 4 &&
		       strstr(err.hint, "/etc/subuid"));
	plan_free(scene.plan);

	scene_start(&scene);
	ask_thread(&scene, 1, 0, 0);
	ask_id(&scene, CLASS_GROUPS, 1, 0, 27);
	plan_settle(scene.plan);
	check_case(checks, "map: without a range, a group is refused",
		   plan_verdict(scene.plan, &err) == ERR_REFUSED &&
		       strstr(err.hint, "/etc/subgid"));
	plan_free(scene.plan);
}

static void test_root(struct checks *checks)
{
	static const char *const presets[] = { "strict", "map" };
	bool are_kept = true;

	for (int i = 0; i < 2; i++) {
		struct scene scene = { .preset = presets[i], .is_root = true };
		const struct id_map *map;
		size_t count;

		scene_start(&scene);
		ask_thread(&scene, 1, 0, 0);
		ask_thread(&scene, 2, 100033, 44);
		ask_id(&scene, CLASS_GROUPS, 2, 0, 5);
		plan_settle(scene.plan);
		map = plan_uid_map(scene.plan, &count);
		are_kept &= count == 1 && map->inside == 0 && map->outside == 0 &&
			    map->count == UINT32_MAX && count_refusals(&scene) == 0 &&
			    answers(&scene, CLASS_UID, 2, 0, OUTCOME_KEEP, 100033) &&
			    answers(&scene, CLASS_GROUPS, 2, 0, OUTCOME_KEEP, 5) &&
			    plan_may_setgroups(scene.plan);
		plan_free(scene.plan);
	}
	check_case(checks, "root: every id stays what it is", are_kept);
}

/* An invoker with groups and no range: where he ran it, they were of no gid of the container. */
static void test_foreign_groups(struct checks *checks)
{
	struct scene scene = { .preset = "map" };

	scene_start(&scene);
	ask_thread(&scene, 1, 0, 0);
	ask_id(&scene, CLASS_GROUPS, 1, 0, 65534);
	ask_id(&scene, CLASS_GROUPS, 1, 1, 0);
	ask_id(&scene, CLASS_GROUPS, 1, 2, 5);
	plan_settle(scene.plan);
	check_case(checks, "map: groups that were outside are the invoker's",
		   !plan_may_setgroups(scene.plan) && count_refusals(&scene) == 1 &&
		       answers(&scene, CLASS_GROUPS, 1, 0, OUTCOME_INHERIT, ID_NONE) &&
		       answers(&scene, CLASS_GROUPS, 1, 1, OUTCOME_KEEP, 0) &&
		       answers(&scene, CLASS_GROUPS, 1, 2, OUTCOME_REFUSE, ID_NONE));
	plan_free(scene.plan);
}

/* Root of a namespace whose maker gave up setgroups. */
static void test_denied(struct checks *checks)
{
	static const char *const presets[] = { "strict", "map" };
	bool holds = true;

	for (int i = 0; i < 2; i++) {
		struct scene scene = { .preset = presets[i],
				       .is_root = true,
				       .is_setgroups_denied = true };

		scene_start(&scene);
		ask_thread(&scene, 1, 0, 0);
		ask_id(&scene, CLASS_GROUPS, 1, 0, 0);
		ask_id(&scene, CLASS_GROUPS, 1, 1, 5);
		plan_settle(scene.plan);
		holds &= !plan_may_setgroups(scene.plan) &&
			 answers(&scene, CLASS_GROUPS, 1, 0, OUTCOME_KEEP, 0) &&
			 answers(&scene, CLASS_GROUPS, 1, 1,
				 i == 0 ? OUTCOME_INHERIT : OUTCOME_REFUSE, ID_NONE);
		plan_free(scene.plan);
	}
	check_case(checks, "root without setgroups keeps its own groups", holds);
}

int main(void)
{
	struct checks checks = { 0 };

	test_subid(&checks);
	test_map_text(&checks);
	test_ranges(&checks);
	test_too_many_lines(&checks);
	test_strict_single(&checks);
	test_strict_second(&checks);
	test_damage(&checks);
	test_map(&checks);
	test_map_refusals(&checks);
	test_root(&checks);
	test_foreign_groups(&checks);
	test_denied(&checks);
	return checks.failed != 0;
}
