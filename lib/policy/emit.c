/* The narrowest policy under which a plan comes out as it does: for each item, what all tasks of
 * this image together need; each file by its path; nothing that was not asked for. */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "ctckpt/policy.h"
#include "policy/cases.h"
#include "policy/group.h"
#include "policy/lattice.h"
#include "policy/pattern.h"
#include "policy/plan_private.h"

/* What came out for one item, or for all items of a class. */
struct extent {
	bool is_asked;
	uint64_t most;	       /* nothing that came out is more */
	unsigned int outcomes; /* 1 << enum outcome */
};

/* The order of scheduling policies does not see their flag. */
static uint64_t value_of(const struct decision *decision)
{
	if (decision->class == CLASS_SCHED)
		return decision->effective & ~(uint64_t)SCHED_RESET_ON_FORK;
	return decision->effective;
}

static void extend(struct extent *extent, const struct decision *decision)
{
	const struct lattice *lattice = lattice_of(decision->class);
	uint64_t value = value_of(decision);

	extent->outcomes |= 1u << decision->outcome;
	if (!extent->is_asked)
		extent->most = value;
	else if (decision->class == CLASS_CAPS)
		extent->most |= value;
	else if (lattice->leq(extent->most, value))
		extent->most = value;
	extent->is_asked = true;
}

static struct extent extent_of(const struct plan *plan, enum policy_class class, uint64_t details)
{
	struct extent extent = { .outcomes = 0 };

	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if (decision->class == class &&
		    (details == 0 || (decision->detail < 64 && details >> decision->detail & 1)))
			extend(&extent, decision);
	}
	return extent;
}

/* ---- rules ---- */

static struct json *rule_json(const char *action)
{
	struct json *rule = json_new_object();

	json_put_string(rule, "action", action);
	return rule;
}

static struct json *caps_json(uint64_t caps)
{
	struct json *list = json_new_array();

	for (int cap = 0; cap < 64 && caps >> cap; cap++) {
		if (caps >> cap & 1 && cap_name(cap))
			json_add_string(list, cap_name(cap));
	}
	return list;
}

static const char *sched_word(uint64_t policy)
{
	static const char *const words[] = { "other", "fifo", "rr",	  "batch",
					     NULL,    "idle", "deadline", "ext" };

	return policy < sizeof(words) / sizeof(words[0]) ? words[policy] : NULL;
}

/* The rule for an item with values. */
static struct json *limit_json(enum policy_class class, const struct extent *extent)
{
	uint64_t most = extent->is_asked ? extent->most : lattice_of(class)->bottom;
	struct json *rule;

	if ((class == CLASS_CAPS || class == CLASS_RT_PRIORITY) && most == 0)
		return rule_json("drop");
	rule = rule_json("clamp");
	if (class == CLASS_CAPS)
		json_put(rule, "allow", caps_json(most));
	else if (class == CLASS_SCHED)
		json_put_string(rule, "max", sched_word(extent->is_asked ? most : SCHED_IDLE));
	else if (class == CLASS_NO_NEW_PRIVS || class == CLASS_DUMPABLE)
		json_put_string(rule, "to", most ? "on" : "off");
	else if (class == CLASS_NICE || class == CLASS_OOM_SCORE_ADJ)
		json_put_i64(rule, "min",
			     extent->is_asked	   ? (int64_t)most
			     : class == CLASS_NICE ? 19
						   : 1000);
	else if (most > INT64_MAX)
		json_put_string(rule, "max", "unlimited");
	else
		json_put_u64(rule, "max", most);
	return rule;
}

/* One member an item; soft and hard limits are one where they are alike. */
static struct json *details_json(const struct plan *plan, enum policy_class class)
{
	const struct policy_class_info *info = policy_class_info(class);
	struct json *object = json_new_object();

	for (size_t i = 0; i < info->detail_name_count; i++) {
		const char *name = info->detail_names[i];
		uint64_t first = UINT64_C(1) << (i * info->details_per_name);
		struct extent soft = extent_of(plan, class, first);
		struct extent hard = extent_of(plan, class, first << 1);
		auto_free char *soft_name = mem_printf("%s.soft", name);
		auto_free char *hard_name = mem_printf("%s.hard", name);

		if (info->details_per_name == 1 || soft.most == hard.most) {
			json_put(object, name, limit_json(class, &soft));
			continue;
		}
		json_put(object, soft_name, limit_json(class, &soft));
		json_put(object, hard_name, limit_json(class, &hard));
	}
	return object;
}

/* The rule for a class without values; NULL: the preset's does. */
static struct json *outcome_json(enum policy_class class, const struct extent *extent)
{
	static const enum outcome order[] = { OUTCOME_CLAMP,   OUTCOME_KEEP,	   OUTCOME_REOPEN,
					      OUTCOME_INHERIT, OUTCOME_SUBSTITUTE, OUTCOME_DROP,
					      OUTCOME_REFUSE };
	unsigned int outcomes = extent->outcomes ? extent->outcomes : 1u << OUTCOME_REFUSE;
	unsigned int may = policy_class_info(class)->actions;
	struct json *rule;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(outcomes & may & 1u << order[i]))
			continue;
		rule = rule_json(outcome_name(order[i]));
		if (!lattice_has_values(class) && order[i] != OUTCOME_DROP &&
		    outcomes & 1u << OUTCOME_DROP)
			json_put_string(rule, "on_fail", "drop");
		return rule;
	}
	return NULL;
}

/* ---- files ---- */

static const char *type_word(uint32_t type)
{
	switch (type & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFIFO:
		return "fifo";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	case S_IFSOCK:
		return "socket";
	default:
		return "other";
	}
}

static const char *mode_word(uint64_t flags)
{
	static const char *const words[] = { "ro", "wo", "rw", "rw" };

	return flags & O_PATH ? "none" : words[flags & O_ACCMODE];
}

static int compare_text(const char *one, const char *other)
{
	return strcmp(one ? one : "", other ? other : "");
}

static int compare_files(const void *a, const void *b)
{
	const struct decision *one = *(const struct decision *const *)a;
	const struct decision *other = *(const struct decision *const *)b;
	int r = compare_text(one->path, other->path);

	if (r == 0)
		r = compare_text(type_word(one->type), type_word(other->type));
	if (r == 0)
		r = compare_text(mode_word(one->saved), mode_word(other->saved));
	return r;
}

static struct json *file_json(const struct decision *decision)
{
	auto_buf struct buf pattern = BUF_EMPTY;
	struct json *match = json_new_object();
	struct json *rule = json_new_object();

	pattern_quote(decision->path, &pattern);
	json_put_string(match, "path", pattern.data);
	json_put_string(match, "type", type_word(decision->type));
	json_put_string(match, "mode", mode_word(decision->saved));
	json_put(rule, "match", match);
	json_put_string(rule, "action", outcome_name(decision->outcome));
	if (decision->outcome == OUTCOME_SUBSTITUTE)
		json_put_string(rule, "with", decision->with);
	return rule;
}

static struct json *files_json(const struct plan *plan, enum policy_class class)
{
	auto_free const struct decision **files = mem_alloc(plan->decision_count, sizeof(*files));
	struct json *list = json_new_array();
	size_t count = 0;

	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if (decision->class == class && decision->path)
			files[count++] = decision;
	}
	if (count > 0)
		qsort(files, count, sizeof(*files), compare_files);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_files(&files[i - 1], &files[i]) != 0)
			json_add(list, file_json(files[i]));
	}
	json_add(list, rule_json("refuse"));
	return list;
}

/* ---- ids ---- */

static int compare_ids(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a;
	uint32_t other = *(const uint32_t *)b;

	return one < other ? -1 : one > other;
}

static void add_line(struct json *list, uint32_t image, uint32_t count, const char *to)
{
	struct json *line = json_new_object();

	json_put_u64(line, "image", image);
	json_put_u64(line, "count", count);
	json_put_string(line, "to", to);
	json_add(list, line);
}

/* Ids in use, rising and each once; and the one that is the invoker, whoever uses it. */
static uint32_t *used_ids(const struct plan *plan, enum policy_class class, uint32_t main,
			  size_t *ret_count)
{
	uint32_t *ids = mem_alloc(plan->decision_count + 2, sizeof(*ids));
	size_t count = 0;
	size_t kept = 0;

	ids[count++] = main;
	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		if ((decision->class == class ||
		     (class == CLASS_GID && decision->class == CLASS_GROUPS)) &&
		    (decision->outcome == OUTCOME_MAP || decision->outcome == OUTCOME_KEEP) &&
		    decision->saved < ID_NONE)
			ids[count++] = (uint32_t)decision->saved;
	}
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < count; i++) {
		if (ids[i] != ids[kept])
			ids[++kept] = ids[i];
	}
	/* With one gid alone, nobody could leave the invoker's groups. */
	if (class == CLASS_GID && plan->may_setgroups && kept == 0)
		ids[++kept] = main == 65534 ? 65535 : 65534;
	*ret_count = kept + 1;
	return ids;
}

static struct json *lines_json(const struct plan *plan, enum policy_class class,
			       const struct mapping *mapping, uint32_t invoker,
			       const char *range_word)
{
	struct json *list = json_new_array();
	uint32_t main = mapping_inside(mapping, invoker);
	size_t count;
	auto_free uint32_t *ids = used_ids(plan, class, main, &count);

	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < count; i++) {
		size_t first = i;

		if (ids[i] == main) {
			add_line(list, main, 1, "invoker");
			continue;
		}
		while (i + 1 < count && ids[i + 1] == ids[i] + 1 && ids[i + 1] != main)
			i++;
		add_line(list, ids[first], ids[i] - ids[first] + 1, range_word);
	}
	return list;
}

/* Where all ids may be mapped, they are what they were. */
static void put_ids(struct json *policy, const struct plan *plan)
{
	struct json *ids;

	if (plan->facts.may_map_all && !plan->policy->uid_lines && !plan->policy->gid_lines)
		return;
	ids = json_new_object();
	json_put(ids, "uid", lines_json(plan, CLASS_UID, &plan->uids, plan->facts.uid, "subuid"));
	json_put(ids, "gid", lines_json(plan, CLASS_GID, &plan->gids, plan->facts.gid, "subgid"));
	json_put_string(ids, "unmapped", "refuse");
	json_put(policy, "ids", ids);
}

/* ---- the whole ---- */

static struct json *class_json(const struct plan *plan, enum policy_class class)
{
	struct extent extent = extent_of(plan, class, 0);

	if (class == CLASS_UID || class == CLASS_GID || class == CLASS_GROUPS)
		return NULL;
	if (policy_class_is_file(class))
		return files_json(plan, class);
	if (!policy_limit_key(class))
		return outcome_json(class, &extent);
	if (policy_class_info(class)->detail_name_count > 0)
		return details_json(plan, class);
	return limit_json(class, &extent);
}

/* "net.tcp" goes into the object "net". */
static void put_at(struct json *policy, const char *key, struct json *value, struct json **groups)
{
	size_t length = strcspn(key, ".");
	auto_free char *name = mem_copy(key, length);

	if (key[length] == '\0') {
		json_put(policy, key, value);
		return;
	}
	if (!json_get(policy, name)) {
		*groups = json_new_object();
		json_put(policy, name, *groups);
	}
	json_put(*groups, key + length + 1, value);
}

struct json *plan_policy_json(const struct plan *plan)
{
	struct json *policy = json_new_object();
	struct json *group = NULL;

	json_put_u64(policy, "ctckpt_policy", 1);
	json_put_string(policy, "extends",
			plan->policy->preset ? plan->policy->preset : plan->policy->name);
	put_ids(policy, plan);
	for (enum policy_class class = 0; class < CLASS_COUNT; class ++) {
		struct json *rules = class_json(plan, class);

		if (rules)
			put_at(policy, policy_class_info(class)->key, rules, &group);
	}
	return policy;
}
