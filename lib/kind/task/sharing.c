/* sharing: a process that shares memory, descriptors, directories or signal handlers with another
 * one, without being its thread. The tree is made accordingly; the rest is done once a group. */
#include <inttypes.h>

#include "core/buf.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/owner.h"
#include "kind/support/sharing.h"
#include "kind/support/tree.h"

extern const struct kind kind_sharing;

#define TAG_SHARING TAG('S', 'H', 'A', 'R')

/* The id of the first task of each group; its own id: it is the first, or alone. That memory is
 * shared, the tasks' records say. */
RECORDS_BEGIN
struct sharing_rec {
	le32 files;
	le32 directory;
	le32 handlers;
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct sharing_rec) == 16, "image format");

static const char *const share_names[SHARE_COUNT] = {
	[SHARE_MEMORY] = "memory",
	[SHARE_FILES] = "descriptors",
	[SHARE_DIRECTORY] = "current directory",
	[SHARE_HANDLERS] = "signal handlers",
};

/* Only its parent or a sibling can have made it so, and can make it so again. */
static bool is_kin(const struct dump_task *task, const struct dump_task *other)
{
	return other->id == task->parent || other->parent == task->parent;
}

static int sharing_dump(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	const struct dump_task *other = NULL;
	bool is_alone = true;
	struct sharing_rec rec = { .files = le32_make(task->groups[SHARE_FILES]),
				   .directory = le32_make(task->groups[SHARE_DIRECTORY]),
				   .handlers = le32_make(task->groups[SHARE_HANDLERS]) };

	(void)err;
	for (int share = 0; d->thread && share < SHARE_COUNT; share++) {
		bool has_kin = false;

		if (task->groups[share] == task->id)
			continue;
		is_alone = false;
		for (other = NULL; (other = dump_next_task(d, other)) && other != task;)
			has_kin |=
			    other->groups[share] == task->groups[share] && is_kin(task, other);
		if (!has_kin)
			(void)dump_block(
			    d, NULL, "shares its %s with a task that is not its parent or sibling",
			    share_names[share]);
	}
	if (!is_alone)
		dump_record(d, task->id, &kind_sharing, &rec, sizeof(rec));
	return 0;
}

static int sharing_check(const void *body, size_t length, struct err *err)
{
	const struct sharing_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "sharing: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "sharing: unknown bits");
	return 0;
}

static uint32_t first_with_memory(const struct image *image, uint32_t mm)
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_TASK, record))) {
		if (le32_get(((const struct task_rec *)record->body)->mm) == mm)
			return record->id;
	}
	return 0;
}

void sharing_of(const struct image *image, uint32_t task, uint32_t ret_groups[SHARE_COUNT])
{
	const struct record *record = image_find(image, TAG_SHARING, task);
	const struct record *own = image_find(image, TAG_TASK, task);
	const struct sharing_rec *rec = record ? record->body : NULL;

	ret_groups[SHARE_MEMORY] =
	    first_with_memory(image, le32_get(((const struct task_rec *)own->body)->mm));
	ret_groups[SHARE_FILES] = rec ? le32_get(rec->files) : task;
	ret_groups[SHARE_DIRECTORY] = rec ? le32_get(rec->directory) : task;
	ret_groups[SHARE_HANDLERS] = rec ? le32_get(rec->handlers) : task;
}

static bool is_alive(const struct record *task)
{
	return !(le32_get(((const struct task_rec *)task->body)->flags) & TASK_ZOMBIE);
}

static uint32_t group_of(const struct image *image, const struct record *task, int share)
{
	const struct record *record = image_find(image, TAG_SHARING, task->id);
	const struct sharing_rec *rec = record ? record->body : NULL;

	switch (share) {
	case SHARE_FILES:
		return rec ? le32_get(rec->files) : task->id;
	case SHARE_DIRECTORY:
		return rec ? le32_get(rec->directory) : task->id;
	default:
		return rec ? le32_get(rec->handlers) : task->id;
	}
}

/* Memory needs no look: its first task is found by it. */
static int link_group(const struct image *image, const struct record *own, int share,
		      struct err *err)
{
	uint32_t first = group_of(image, own, share);
	const struct record *other = image_find(image, TAG_TASK, first);

	if (!other || other > own || !is_alive(other))
		return err_set(err, ERR_DAMAGED, "sharing: %s with no task in front of it",
			       share_names[share]);
	if (group_of(image, other, share) != first)
		return err_set(err, ERR_DAMAGED, "sharing: %s with one who is not the first",
			       share_names[share]);
	return 0;
}

static uint32_t memory_of(const struct record *task)
{
	return le32_get(((const struct task_rec *)task->body)->mm);
}

static int sharing_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *own = image_find(image, TAG_TASK, record->id);
	const struct record *other;
	int r = owner_link_task(image, record, err);

	if (r == 0 && !is_alive(own))
		r = err_set(err, ERR_DAMAGED, "sharing: of a task that is dead");
	for (int share = SHARE_FILES; r == 0 && share < SHARE_COUNT; share++)
		r = link_group(image, own, share, err);
	if (r < 0)
		return r;
	other = image_find(image, TAG_TASK, group_of(image, own, SHARE_HANDLERS));
	if (memory_of(other) != memory_of(own))
		return err_set(err, ERR_DAMAGED, "sharing: signal handlers without memory");
	return 0;
}

const struct kind kind_sharing = {
	.name = "sharing",
	.summary = "processes that share memory, descriptors, directories or signal handlers",
	.tag = TAG_SHARING,
	.scope = SCOPE_TASK,
	.phase = PHASE_TASKS,
	.dump = sharing_dump,
	.check = sharing_check,
	.link = sharing_link,
};
