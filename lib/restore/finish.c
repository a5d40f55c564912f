/* What only the finished task can set: each thread runs one script of all its kinds, in the order
 * of phases. Ids before capabilities, both before limits, confinement last: design and kind.h. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/support/epoll_owner.h"
#include "restore/restore.h"

/* The task that fills the descriptor table of this one. */
static uint32_t keeper_of(const struct restore *rs, uint32_t id)
{
	const struct restore_task *task = restore_task_by_id(rs, id);

	for (size_t i = rs->own->task_count; task && i-- > 0;) {
		if (rs->own->tasks[i].groups[SHARE_FILES] == task->groups[SHARE_FILES])
			return rs->own->tasks[i].id;
	}
	return id;
}

/* The first task that has a description finishes it, unless the kind needs a certain one. */
static void find_owners(struct restore *rs)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct record *table =
		    rs->own->tasks[i].keeps_files ? rs->own->tasks[i].table : NULL;
		const struct fdslot_rec *slots = table ? table->body : NULL;

		for (size_t j = 0; table && j < table->length / sizeof(*slots); j++) {
			struct restore_object *object = restore_object(rs, le32_get(slots[j].file));

			if (!object->owner)
				object->owner = rs->own->tasks[i].id;
		}
	}
}

/* What is only in flight is in no table: any living task may finish it. */
static uint32_t owner_of(const struct restore *rs, uint32_t id)
{
	uint32_t owner = restore_object(rs, id)->owner;

	for (size_t i = 0; owner == 0 && i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		if (task->record && task->thread_count > 0 && task->keeps_files)
			owner = task->id;
	}
	return owner;
}

/* Lists the records of descriptors that have something to finish. */
static void list_finishes(struct restore *rs, const struct kind *kind)
{
	struct restore_private *own = rs->own;
	bool is_epoll = strcmp(kind->name, "eventpoll") == 0;
	const struct record *record = NULL;

	while ((record = image_next(rs->image, kind->tag, record))) {
		array_grow(own->finishes, own->finish_count);
		own->finishes[own->finish_count++] = (struct restore_finish){
			.kind = kind,
			.record = record,
			.owner = is_epoll ? keeper_of(rs, eventpoll_owner(record))
					  : owner_of(rs, record->id),
		};
	}
}

static void list_all_finishes(struct restore *rs)
{
	for (size_t i = 0; kinds[i]; i++) {
		if (kinds[i]->finish && kinds[i]->scope == SCOPE_FD)
			list_finishes(rs, kinds[i]);
	}
}

static int finish_record(struct restore *rs, const struct kind *kind, const struct record *record,
			 struct script *script, struct err *err)
{
	int r = script_room(script, 64, 16384, err);

	if (r == 0)
		r = kind->finish(rs, record, script, err);
	if (r < 0)
		return err_wrap(err, "%s", kind->name);
	return 0;
}

static int finish_scope(struct restore *rs, enum scope scope, enum phase phase, uint32_t id,
			struct script *script, struct err *err)
{
	for (size_t i = 0; kinds[i]; i++) {
		const struct record *record;
		int r;

		if (!kinds[i]->finish || kinds[i]->scope != scope || kinds[i]->phase != phase)
			continue;
		record = image_find(rs->image, kinds[i]->tag, id);
		r = record ? finish_record(rs, kinds[i], record, script, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int finish_files(struct restore *rs, const struct restore_task *task, struct script *script,
			struct err *err)
{
	for (size_t i = 0; i < rs->own->finish_count; i++) {
		const struct restore_finish *finish = &rs->own->finishes[i];
		int r;

		if (finish->owner != task->id)
			continue;
		r = finish_record(rs, finish->kind, finish->record, script, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A death that was part of making the tree left a signal that was not saved. */
static void forget_child_signal(const struct restore_task *task, struct script *script)
{
	static const struct {
		uint64_t seconds, nanoseconds;
	} now;
	uint64_t mask = ~(1ull << (SIGTRAP - 1));

	if (task->has_new_child)
		(void)script_syscall(script, "forget a signal", SCRIPT_MAY_FAIL,
				     SYS_rt_sigtimedwait, script_copy(script, &mask, sizeof(mask)),
				     0, script_copy(script, &now, sizeof(now)), sizeof(mask));
}

/* Before locks: closing any descriptor of a file drops all that its process has on it. */
static int close_objects(struct restore *rs, struct script *script, struct err *err)
{
	int r = script_room(script, 1, 0, err);

	if (r == 0)
		(void)script_syscall(script, "close what is not its own", 0, SYS_close_range,
				     rs->own->base, ~0u, 0);
	return r;
}

static int finish_thread(struct restore *rs, struct restore_task *task,
			 struct restore_thread *thread, struct err *err)
{
	bool is_leader = thread == &task->threads[0];
	auto_script struct script script = SCRIPT_NONE;
	int r = 0;

	script_init(&script, &thread->remote);
	rs->task = task;
	if (is_leader)
		forget_child_signal(task, &script);
	for (enum phase phase = PHASE_TASKS; r == 0 && phase < PHASE_COUNT; phase++) {
		if (is_leader && task->keeps_files && phase == PHASE_LOCKS)
			r = close_objects(rs, &script, err);
		if (r == 0 && is_leader)
			r = finish_scope(rs, SCOPE_TASK, phase, task->id, &script, err);
		if (r == 0 && is_leader && phase == PHASE_STATE)
			r = finish_files(rs, task, &script, err);
		if (r == 0)
			r = finish_scope(rs, SCOPE_THREAD, phase, thread->record->id, &script, err);
	}
	if (r == 0)
		r = script_run(&script, err);
	rs->task = NULL;
	return r < 0 ? err_wrap(err, "task %d", thread->vtid) : 0;
}

/* An init of ours has nothing but its memory. */
static int finish_init(struct restore *rs, struct restore_task *task, struct err *err)
{
	static const char name[16] = "ctckpt-init";
	const struct restore_hole *hole = &rs->own->hole;
	auto_script struct script script = SCRIPT_NONE;

	script_init(&script, &task->threads[0].remote);
	forget_child_signal(task, &script);
	(void)script_syscall(&script, "set name", 0, SYS_prctl, 15 /* PR_SET_NAME */,
			     script_copy(&script, name, sizeof(name)));
	(void)script_syscall(&script, "close all", 0, SYS_close_range, 0, ~0u, 0);
	(void)script_syscall(&script, "unmap", 0, SYS_munmap, hole->parking,
			     hole->end - hole->parking);
	return script_run(&script, err);
}

int restore_finish_tasks(struct restore *rs, struct err *err)
{
	find_owners(rs);
	list_all_finishes(rs);
	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r = 0;

		if (!task->record) {
			r = finish_init(rs, task, err);
			if (r < 0)
				return r;
			continue;
		}
		/* The leader last: it closes what the others may need. */
		for (size_t j = task->thread_count; r == 0 && j-- > 0;)
			r = finish_thread(rs, task, &task->threads[j], err);
		if (r < 0)
			return r;
	}
	return 0;
}
