/* Whose a record is. See owner.h. */
#include "kind/support/owner.h"

#include "kind/kind.h"
#include "kind/support/tree.h"

static const char *name_of(const struct record *record)
{
	const struct kind *kind = kind_by_tag(record->tag);

	return kind ? kind->name : "record";
}

int owner_link_task(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *task = image_find(image, TAG_TASK, record->id);
	const struct task_rec *rec = task ? task->body : NULL;

	if (!rec || task >= record || le32_get(rec->flags) & TASK_ZOMBIE)
		return err_set(err, ERR_DAMAGED, "%s: of no task", name_of(record));
	return 0;
}

int owner_link_thread(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *thread = image_find(image, TAG_REGISTERS, record->id);

	if (!thread || thread >= record)
		return err_set(err, ERR_DAMAGED, "%s: of no thread", name_of(record));
	return 0;
}

int owner_link_parts(const struct image *image, const struct record *record, enum scope scope,
		     struct err *err)
{
	static const char *const of_task[] = { "rlimits", "signals",	 "prctl",
					       "oom",	  "descriptors", NULL };
	static const char *const of_thread[] = { "creds", "confine", "thread", "sched", NULL };
	const char *const *part = scope == SCOPE_TASK ? of_task : of_thread;

	for (; *part; part++) {
		if (!image_find(image, kind_by_name(*part)->tag, record->id))
			return err_set(err, ERR_DAMAGED, "%s: without %s", name_of(record), *part);
	}
	return 0;
}

uint32_t owner_task_of(const struct image *image, uint32_t thread)
{
	const struct record *record = image_find(image, TAG_REGISTERS, thread);
	const struct registers_rec *rec = record ? record->body : NULL;

	return rec ? le32_get(rec->task) : 0;
}
