/* The plan: its storage, its questions and its answers. */
#include "policy/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "image/image.h"
#include "policy/language.h"
#include "policy/lattice.h"
#include "policy/plan_private.h"

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[] = {
		[OUTCOME_KEEP] = "keep",       [OUTCOME_MAP] = "map",
		[OUTCOME_CLAMP] = "clamp",     [OUTCOME_DROP] = "drop",
		[OUTCOME_INHERIT] = "inherit", [OUTCOME_SUBSTITUTE] = "substitute",
		[OUTCOME_REOPEN] = "reopen",   [OUTCOME_RECORD] = "record",
		[OUTCOME_REFUSE] = "refuse",
	};

	return (unsigned int)outcome <= OUTCOME_REFUSE ? names[outcome] : "unknown";
}

static void *copy_array(const void *array, size_t count, size_t size)
{
	return count ? mem_copy(array, count * size) : NULL;
}

static void copy_facts(const struct host_facts *from, struct host_facts *to)
{
	*to = *from;
	to->groups = copy_array(from->groups, from->group_count, sizeof(*from->groups));
	to->uid_ranges =
	    copy_array(from->uid_ranges, from->uid_range_count, sizeof(struct id_range));
	to->gid_ranges =
	    copy_array(from->gid_ranges, from->gid_range_count, sizeof(struct id_range));
	to->cpus = copy_array(from->cpus, from->cpu_words, sizeof(*from->cpus));
	to->own_uids = copy_array(from->own_uids, from->own_uid_count, sizeof(struct id_range));
	to->own_gids = copy_array(from->own_gids, from->own_gid_count, sizeof(struct id_range));
	to->label = from->label ? mem_string(from->label) : NULL;
	to->cgroup = from->cgroup ? mem_string(from->cgroup) : NULL;
	to->volumes = copy_array(from->volumes, from->volume_count, sizeof(*from->volumes));
	to->grants = copy_array(from->grants, from->grant_count, sizeof(*from->grants));
	to->bound = bound_copy(from->bound);
	for (size_t i = 0; i < from->volume_count; i++)
		to->volumes[i] = mem_string(from->volumes[i]);
}

struct plan *plan_new(const struct image *image, const struct policy *policy,
		      const struct host_facts *facts)
{
	struct plan *plan = mem_alloc(1, sizeof(*plan));

	plan->image = image;
	plan->policy = policy;
	copy_facts(facts, &plan->facts);
	return plan;
}

void plan_clear(struct plan *plan)
{
	const struct plan kept = *plan;

	if (plan->memory)
		plan->release(plan->memory);
	strings_free(&plan->strings);
	free(plan->names);
	free(plan->decisions);
	free(plan->index);
	mapping_free(&plan->uids);
	mapping_free(&plan->gids);
	*plan = (struct plan){ .image = kept.image,
			       .policy = kept.policy,
			       .policies = kept.policies,
			       .facts = kept.facts,
			       .opener = kept.opener };
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	plan_clear(plan);
	host_facts_free(&plan->facts);
	if (plan->policies)
		policies_free(plan->policies);
	free(plan->policies);
	free(plan);
}

struct file_opener *plan_opener(const struct plan *plan)
{
	return plan->opener;
}

void **plan_memory(struct plan *plan, void (*release)(void *memory))
{
	plan->release = release;
	return &plan->memory;
}

void plan_add(struct plan *plan, const struct decision *decision)
{
	array_grow(plan->decisions, plan->decision_count);
	plan->decisions[plan->decision_count++] = *decision;
}

void plan_ask(struct plan *plan, const struct question *question)
{
	struct decision decision = {
		.class = question->class,
		.id = question->id,
		.detail = question->detail,
		.saved = question->saved,
		.invoker = question->invoker,
		.type = question->type,
		.is_descriptor = question->is_descriptor,
		.path = strings_add(&plan->strings, question->path),
		.subject = strings_add(&plan->strings, question->subject),
		.saved_text = strings_add(&plan->strings, question->saved_text),
		.invoker_text = strings_add(&plan->strings, question->invoker_text),
	};

	plan_add(plan, &decision);
}

void plan_name_task(struct plan *plan, uint32_t id, uint32_t task, pid_t pid, const char *comm)
{
	array_grow(plan->names, plan->name_count);
	plan->names[plan->name_count] = (struct plan_name){
		.id = id,
		.order = (uint32_t)plan->name_count,
		.task = task,
		.pid = pid,
		.comm = strings_add(&plan->strings, comm),
	};
	plan->name_count++;
}

void plan_name_file(struct plan *plan, uint32_t id, uint32_t task)
{
	plan_name_task(plan, id, task, 0, NULL);
}

static struct plan_key make_key(enum policy_class class, uint32_t id, uint32_t detail)
{
	return (struct plan_key){ (uint64_t) class << 32 | id, (uint64_t)detail << 32 };
}

struct decision *plan_indexed(const struct plan *plan, size_t place)
{
	return &plan->decisions[(uint32_t)plan->index[place].place];
}

static int compare_keys(const void *a, const void *b)
{
	const struct plan_key *one = a;
	const struct plan_key *other = b;

	if (one->object != other->object)
		return one->object < other->object ? -1 : 1;
	return one->place < other->place ? -1 : one->place > other->place;
}

/* Equal questions stand in the order of asking. */
void plan_make_index(struct plan *plan)
{
	plan->index = mem_alloc(plan->decision_count, sizeof(*plan->index));
	for (size_t i = 0; i < plan->decision_count; i++) {
		const struct decision *decision = &plan->decisions[i];

		plan->index[i] = make_key(decision->class, decision->id, decision->detail);
		plan->index[i].place |= (uint32_t)i;
	}
	qsort(plan->index, plan->decision_count, sizeof(*plan->index), compare_keys);
}

size_t plan_index_find(const struct plan *plan, enum policy_class class, uint32_t id,
		       uint32_t detail)
{
	const struct plan_key key = make_key(class, id, detail);
	size_t low = 0;
	size_t high = plan->decision_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct plan_key *other = &plan->index[middle];

		if (other->object < key.object ||
		    (other->object == key.object && other->place < key.place))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct decision *plan_answer(const struct plan *plan, enum policy_class class, uint32_t id,
				   uint32_t detail)
{
	const struct decision *decision;
	size_t place;

	if (!plan->index)
		return NULL;
	place = plan_index_find(plan, class, id, detail);
	if (place == plan->decision_count)
		return NULL;
	decision = plan_indexed(plan, place);
	if (decision->class != class || decision->id != id || decision->detail != detail)
		return NULL;
	return decision;
}

const struct decision *plan_answer_file(const struct plan *plan, uint32_t id)
{
	const struct decision *file = plan_answer(plan, CLASS_FILE, id, 0);

	return file ? file : plan_answer(plan, CLASS_DEVICE, id, 0);
}

uint64_t plan_value(const struct plan *plan, enum policy_class class, uint32_t id, uint32_t detail,
		    uint64_t otherwise)
{
	const struct decision *decision = plan_answer(plan, class, id, detail);

	return decision ? decision->effective : otherwise;
}

const struct host_facts *plan_facts(const struct plan *plan)
{
	return &plan->facts;
}

const struct image *plan_image(const struct plan *plan)
{
	return plan->image;
}

char *plan_image_name(const struct plan *plan)
{
	return mem_printf("%016" PRIx64, plan->image ? plan->image->metadata_checksum : 0);
}

const struct id_map *plan_uid_map(const struct plan *plan, size_t *ret_count)
{
	*ret_count = plan->uids.count;
	return plan->uids.lines;
}

const struct id_map *plan_gid_map(const struct plan *plan, size_t *ret_count)
{
	*ret_count = plan->gids.count;
	return plan->gids.lines;
}

bool plan_may_setgroups(const struct plan *plan)
{
	return plan->may_setgroups;
}

const struct plan_name *plan_name_of(const struct plan *plan, uint32_t id)
{
	return array_find_id(plan->names, plan->name_count, sizeof(*plan->names), id);
}
