/* Descriptors that need tasks: some can only be made when all tasks exist, in place of what the
 * first task gave for them; some need a last look when all tasks are finished. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "restore/restore.h"

/* The number of a description in a task's table; -1: it does not have it. */
static int number_in(const struct restore_task *task, uint32_t id)
{
	const struct fdslot_rec *slots = task->table ? task->table->body : NULL;

	for (size_t i = 0; slots && i < task->table->length / sizeof(*slots); i++) {
		if (le32_get(slots[i].file) == id)
			return (int)le32_get(slots[i].number);
	}
	return -1;
}

static int open_pidfd(const struct restore_task *task, int *ret_pidfd, struct err *err)
{
	*ret_pidfd = (int)syscall(SYS_pidfd_open, task->pid, 0);
	if (*ret_pidfd < 0)
		return err_set(err, -errno, "open pidfd of task %d", task->vpid);
	return 0;
}

/* ---- when all tasks exist ---- */

static int replace_in(struct restore_task *task, int high, int fd, struct err *err)
{
	struct remote *remote = &task->threads[0].remote;
	auto_script struct script script = SCRIPT_NONE;
	auto_close int pidfd = -1;
	int number = -1;
	int r = open_pidfd(task, &pidfd, err);

	if (r == 0)
		r = remote_push_fd(remote, pidfd, fd, &number, err);
	if (r < 0)
		return r;
	script_init(&script, remote);
	(void)script_syscall(&script, "replace a descriptor", 0, SYS_dup3, (uint64_t)number,
			     (uint64_t)high, 0);
	(void)script_syscall(&script, "close a descriptor", 0, SYS_close, (uint64_t)number);
	return script_run(&script, err);
}

static int replace_record(struct restore *rs, const struct kind *kind, const struct record *record,
			  struct err *err)
{
	int high = restore_fd(rs, record->id);
	auto_close int fd = -1;
	int r = kind->replace(rs, record, &fd, err);

	for (size_t i = 0; r == 0 && fd >= 0 && i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];

		if (number_in(task, record->id) >= 0)
			r = replace_in(task, high, fd, err);
	}
	return r < 0 ? err_wrap(err, "%s %u", kind->name, record->id) : 0;
}

int restore_replace_files(struct restore *rs, struct err *err)
{
	for (size_t i = 0; kinds[i]; i++) {
		const struct record *record = NULL;

		while (kinds[i]->replace &&
		       (record = image_next(rs->image, kinds[i]->tag, record))) {
			int r = replace_record(rs, kinds[i], record, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

struct restore_task *restore_holder(const struct restore *rs, uint32_t id)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (number_in(&rs->own->tasks[i], id) >= 0)
			return &rs->own->tasks[i];
	}
	return NULL;
}

pid_t restore_outer_pid(const struct restore *rs, uint32_t id)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		if (task->id == id)
			return task->pid;
		for (size_t j = 0; j < task->thread_count; j++) {
			if (task->threads[j].record && task->threads[j].record->id == id)
				return task->threads[j].tid;
		}
	}
	return 0;
}

/* ---- when all tasks are finished ---- */

static int settle_record(struct restore *rs, const struct kind *kind, const struct record *record,
			 struct err *err)
{
	const struct restore_task *task = restore_holder(rs, record->id);
	auto_close int pidfd = -1;
	auto_close int fd = -1;
	int r;

	if (!task) /* nobody has it any more */
		return 0;
	r = open_pidfd(task, &pidfd, err);
	if (r == 0)
		r = remote_take_fd(&task->threads[0].remote, pidfd, number_in(task, record->id),
				   &fd, err);
	if (r == 0)
		r = kind->settle(rs, record, fd, err);
	return r < 0 ? err_wrap(err, "task %d: %s", task->vpid, kind->name) : 0;
}

int restore_settle_files(struct restore *rs, struct err *err)
{
	for (size_t i = 0; kinds[i]; i++) {
		const struct record *record = NULL;

		while (kinds[i]->settle &&
		       (record = image_next(rs->image, kinds[i]->tag, record))) {
			int r = settle_record(rs, kinds[i], record, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
