/* What kinds may ask for of all that was collected. */
#include <fcntl.h>

#include "dump/dump.h"
#include "kind/support/files.h"

struct dump_task *dump_task_by_pid(const struct dump *d, pid_t pid)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		if (d->own->tasks[i].pid == pid)
			return &d->own->tasks[i];
	}
	return NULL;
}

struct dump_thread *dump_thread_by_tid(const struct dump *d, pid_t tid)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		struct dump_task *task = &d->own->tasks[i];

		for (size_t j = 0; j < task->thread_count; j++) {
			if (task->threads[j].tid == tid)
				return &task->threads[j];
		}
	}
	return NULL;
}

struct dump_task *dump_own_task(const struct dump *d, enum namespace_type type)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		if (d->own->tasks[i].thread_count > 0 && d->own->tasks[i].namespaces[type] == 0)
			return &d->own->tasks[i];
	}
	return NULL;
}

struct dump_task *dump_ns_task(const struct dump *d, enum namespace_type type)
{
	return d->ns ? d->ns->task : dump_own_task(d, type);
}

const struct dump_task *dump_net_task(const struct dump *d)
{
	uint32_t id = d->fd ? d->fd->ns : 0;

	for (size_t i = 0; id && i < d->own->namespace_count; i++) {
		if (d->own->namespaces[i].id == id)
			return dump_task_of_network(&d->own->namespaces[i]);
	}
	return dump_own_task(d, NAMESPACE_NET);
}

int dump_net_open(const struct dump *d)
{
	uint32_t id = d->fd ? d->fd->ns : 0;
	const struct dump_task *task;

	for (size_t i = 0; id && i < d->own->namespace_count; i++) {
		if (d->own->namespaces[i].id == id)
			return fcntl(d->own->namespaces[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	task = dump_own_task(d, NAMESPACE_NET);
	return task ? openat(task->proc, "ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

uint32_t dump_ns_id(struct dump *d)
{
	return d->ns ? d->ns->id : dump_new_id(d);
}

struct dump_terminals *dump_terminals(const struct dump *d)
{
	return &d->own->terminals;
}

uint32_t dump_file_at(const struct dump *d, const struct dump_task *task, int number)
{
	(void)d;
	for (size_t i = 0; i < task->slot_count; i++) {
		if (task->slots[i].number == number)
			return task->slots[i].file;
	}
	return 0;
}

bool dump_has_file(const struct dump *d, dev_t dev, ino_t ino, int access_mode)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];
		int mode = (int)(file->flags & O_ACCMODE);

		if (file->stat.st_dev == dev && file->stat.st_ino == ino &&
		    (mode == access_mode || mode == O_RDWR) && !(file->flags & O_PATH))
			return true;
	}
	return false;
}

uint32_t dump_first_file(const struct dump *d, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];

		if (file->stat.st_dev == dev && file->stat.st_ino == ino && !(file->flags & O_PATH))
			return file->id;
	}
	return 0;
}

const struct dump_task *dump_next_task(const struct dump *d, const struct dump_task *last)
{
	const struct dump_task *next = last ? last + 1 : d->own->tasks;

	return next < d->own->tasks + d->own->task_count ? next : NULL;
}
