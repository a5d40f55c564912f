/* Which processes share memory, descriptors, directories or signal handlers, as clone(2) lets them
 * without being threads of one. The kernel orders such objects for us: kcmp(2). */
#include <linux/kcmp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

static struct dump_task *task_by_id(const struct dump_private *own, uint32_t id)
{
	for (size_t i = 0; i < own->task_count; i++) {
		if (own->tasks[i].id == id)
			return &own->tasks[i];
	}
	return NULL;
}

struct sorting {
	const struct dump_private *own;
	int what;
};

/* By the kernel's order; those that share are neighbours, the first of the list in front. */
static int compare(const void *left, const void *right, void *argument)
{
	const size_t *a = left;
	const size_t *b = right;
	const struct sorting *sorting = argument;
	const struct dump_task *tasks = sorting->own->tasks;

	switch (syscall(SYS_kcmp, tasks[*a].pid, tasks[*b].pid, sorting->what, 0, 0)) {
	case 1:
		return -1;
	case 2:
		return 1;
	default:
		return *a < *b ? -1 : *a > *b;
	}
}

static bool is_shared(const struct dump_task *one, const struct dump_task *other, int what)
{
	return syscall(SYS_kcmp, one->pid, other->pid, what, 0, 0) == 0;
}

/* A group is called by its first task, in the order of the list. */
static void group(struct dump_private *own, enum task_share share, int what, size_t *order,
		  size_t count)
{
	struct sorting sorting = { .own = own, .what = what };
	size_t first = 0;

	qsort_r(order, count, sizeof(*order), compare, &sorting);
	for (size_t i = 0; i < count; i++) {
		struct dump_task *task = &own->tasks[order[i]];

		if (i > 0 && !is_shared(&own->tasks[order[first]], task, what))
			first = i;
		task->groups[share] = own->tasks[order[first]].id;
	}
}

/* Signal handlers are only shared by those who share memory. */
static void group_handlers(struct dump_private *own, size_t number)
{
	struct dump_task *task = &own->tasks[number];

	if (task->groups[SHARE_MEMORY] == task->id)
		return;
	for (size_t i = 0; i < number; i++) {
		const struct dump_task *other = &own->tasks[i];

		if (other->groups[SHARE_MEMORY] == task->groups[SHARE_MEMORY] &&
		    is_shared(other, task, KCMP_SIGHAND)) {
			task->groups[SHARE_HANDLERS] = other->groups[SHARE_HANDLERS];
			return;
		}
	}
}

static void find_keepers(struct dump_private *own)
{
	for (size_t i = 0; i < own->task_count; i++) {
		struct dump_task *task = &own->tasks[i];
		struct dump_task *first = task_by_id(own, task->groups[SHARE_FILES]);

		task->keeps_files = true;
		for (; first < task; first++) {
			if (first->groups[SHARE_FILES] == task->groups[SHARE_FILES])
				first->keeps_files = false;
		}
	}
}

void dump_group_tasks(struct dump *d)
{
	struct dump_private *own = d->own;
	auto_free size_t *order = mem_alloc(own->task_count, sizeof(*order));
	size_t count = 0;

	for (size_t i = 0; i < own->task_count; i++) {
		for (int share = 0; share < SHARE_COUNT; share++)
			own->tasks[i].groups[share] = own->tasks[i].id;
		if (own->tasks[i].thread_count > 0)
			order[count++] = i;
	}
	group(own, SHARE_MEMORY, KCMP_VM, order, count);
	group(own, SHARE_FILES, KCMP_FILES, order, count);
	group(own, SHARE_DIRECTORY, KCMP_FS, order, count);
	find_keepers(own);
	for (size_t i = 0; i < own->task_count; i++) {
		struct dump_task *task = &own->tasks[i];

		group_handlers(own, i);
		if (task->groups[SHARE_MEMORY] != task->id)
			task->mm_id = task_by_id(own, task->groups[SHARE_MEMORY])->mm_id;
	}
}
