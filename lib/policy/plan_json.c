/* Plans as JSON. See ctckpt/policy.h. */
#include "core/cleanup.h"
#include "core/json.h"
#include "ctckpt/policy.h"
#include "policy/group.h"

typedef void text_fn(const struct decision *decision, struct buf *out);

static void put_text(struct json *object, const char *key, text_fn *text,
		     const struct decision *decision)
{
	auto_buf struct buf out = BUF_EMPTY;

	text(decision, &out);
	json_put_string(object, key, out.data ? out.data : "");
}

static void put_escaped(struct json *object, const char *key, const char *text)
{
	auto_buf struct buf out = BUF_EMPTY;

	if (!text)
		return;
	append_escaped(text, &out);
	json_put_string(object, key, out.data ? out.data : "");
}

static void put_value(struct json *object, const char *key, const struct decision *decision,
		      uint64_t value)
{
	if (decision->class == CLASS_NICE || decision->class == CLASS_OOM_SCORE_ADJ)
		json_put_i64(object, key, (int64_t)value);
	else
		json_put_u64(object, key, value);
}

static void put_task(struct json *object, const struct plan *plan, const struct decision *decision)
{
	const struct plan_name *name = plan_name_of(plan, decision->id);
	const struct plan_name *task = plan_name_of(plan, decision->task);

	if (decision->task == 0)
		return;
	json_put_u64(object, "task", decision->task);
	if (task) {
		json_put_i64(object, "pid", task->pid);
		put_escaped(object, "comm", task->comm);
	}
	if (name && name->id != name->task && name->pid != 0)
		json_put_i64(object, "tid", name->pid);
}

static struct json *decision_json(const struct plan *plan, const struct decision *decision)
{
	struct json *object = json_new_object();

	json_put_string(object, "class", policy_class_name(decision->class));
	json_put_u64(object, "id", decision->id);
	json_put_u64(object, "detail", decision->detail);
	put_task(object, plan, decision);
	put_text(object, "subject", decision_subject, decision);
	put_value(object, "saved", decision, decision->saved);
	put_text(object, "saved_text", decision_saved, decision);
	put_value(object, "invoker", decision, decision->invoker);
	put_text(object, "invoker_text", decision_invoker, decision);
	json_put_string(object, "outcome", outcome_name(decision->outcome));
	if (decision->outcome != OUTCOME_REFUSE) {
		put_value(object, "effective", decision, decision->effective);
		put_text(object, "effective_text", decision_effective, decision);
	}
	if (decision->path)
		put_escaped(object, "path", decision->path);
	json_put_string(object, "rule", decision->rule);
	put_escaped(object, "reason", decision->reason);
	put_escaped(object, "remedy", decision->remedy);
	return object;
}

static struct json *map_json(const struct mapping *mapping)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < mapping->count; i++) {
		struct json *line = json_new_object();

		json_put_u64(line, "inside", mapping->lines[i].inside);
		json_put_u64(line, "outside", mapping->lines[i].outside);
		json_put_u64(line, "count", mapping->lines[i].count);
		json_add(array, line);
	}
	return array;
}

static struct json *counts_json(const struct plan *plan)
{
	struct json *object = json_new_object();
	size_t counts[OUTCOME_REFUSE + 1];

	plan_count_outcomes(plan, counts);
	for (int outcome = 0; outcome <= OUTCOME_REFUSE; outcome++)
		json_put_u64(object, outcome_name(outcome), counts[outcome]);
	return object;
}

struct json *plan_json(const struct plan *plan)
{
	struct json *object = json_new_object();
	struct json *decisions = json_new_array();
	auto_free char *image = plan_image_name(plan);
	size_t counts[OUTCOME_REFUSE + 1];

	for (size_t i = 0; i < plan->decision_count; i++)
		json_add(decisions, decision_json(plan, &plan->decisions[i]));
	plan_count_outcomes(plan, counts);
	json_put_string(object, "policy", plan->policy->name);
	json_put_string(object, "image", image);
	json_put(object, "decisions", decisions);
	json_put(object, "uid_map", map_json(&plan->uids));
	json_put(object, "gid_map", map_json(&plan->gids));
	json_put(object, "counts", counts_json(plan));
	json_put_string(object, "verdict",
			counts[OUTCOME_REFUSE] || plan->policy->never_runs ? "refuse" : "restore");
	return object;
}
