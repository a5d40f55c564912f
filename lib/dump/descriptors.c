/* Descriptor tables, and which descriptors are the same open file description. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/fd_describe.h"
#include "kind/support/files.h"
#include "kind/support/lock_lines.h"

/* A descriptor before it is known whether it is the first of its description. */
struct found {
	uint32_t task; /* number in own->tasks */
	uint32_t number;
	uint64_t inode;
	uint64_t mount;
	uint64_t position;
	uint64_t flags;
	uint64_t order; /* as met */
	char *link;
	char *fdinfo;
};

static int found_key(const struct found *a, const struct found *b)
{
	int r;

	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (a->mount != b->mount)
		return a->mount < b->mount ? -1 : 1;
	if ((a->flags & ~(uint64_t)O_CLOEXEC) != (b->flags & ~(uint64_t)O_CLOEXEC))
		return (a->flags & ~(uint64_t)O_CLOEXEC) < (b->flags & ~(uint64_t)O_CLOEXEC) ? -1
											     : 1;
	if (a->position != b->position)
		return a->position < b->position ? -1 : 1;
	r = strcmp(a->link, b->link);
	return r;
}

/* The kernel's own order of descriptions, kcmp(2): 0 the same, 1 less, 2 greater. */
static int found_compare(const void *left, const void *right, void *argument)
{
	const struct found *a = left;
	const struct found *b = right;
	const struct dump_private *own = argument;
	int r = found_key(a, b);

	if (r != 0 || a == b)
		return r;
	switch (syscall(SYS_kcmp, own->tasks[a->task].pid, own->tasks[b->task].pid, KCMP_FILE,
			a->number, b->number)) {
	case 1:
		return -1;
	case 2:
		return 1;
	default:
		return 0;
	}
}

static int read_descriptor(const struct dump_task *task, int dir, int infos, const char *name,
			   struct found *ret_found, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_readlink(dir, name, &ret_found->link, err);

	/* No call takes such a path either. No kind knows this text, so it is refused by it. */
	if (r == -ENAMETOOLONG) {
		ret_found->link = mem_string("under a path that is too long");
		r = 0;
	}
	if (r == 0)
		r = procfs_read(infos, name, &text, err);
	if (r < 0)
		return err_wrap(err, "task %d, descriptor %s", task->vpid, name);
	ret_found->number = (uint32_t)strtoul(name, NULL, 10);
	if (!procfs_field(text.data, "pos", 10, &ret_found->position) ||
	    !procfs_field(text.data, "flags", 8, &ret_found->flags))
		return err_set(err, ERR_FAILED, "task %d, descriptor %s: fdinfo is cut", task->vpid,
			       name);
	(void)procfs_field(text.data, "mnt_id", 10, &ret_found->mount);
	/* 5.14 */
	(void)procfs_field(text.data, "ino", 10, &ret_found->inode);
	ret_found->fdinfo = take_ptr(text.data);
	text = BUF_EMPTY;
	return 0;
}

static int read_table(struct dump *d, size_t number, struct found **founds, size_t *count,
		      struct err *err)
{
	const struct dump_task *task = &d->own->tasks[number];
	int infos_fd = openat(task->proc, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int infos = infos_fd;
	int dir_fd = openat(task->proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	const struct dirent *entry;

	if (!dir || infos < 0)
		return err_set(err, -errno, "read descriptors of task %d", task->vpid);
	while ((entry = readdir(dir))) {
		struct found *found;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		array_grow(*founds, *count);
		found = &(*founds)[*count];
		*found = (struct found){ .task = (uint32_t)number, .order = *count };
		(*count)++;
		r = read_descriptor(task, dir_fd, infos, entry->d_name, found, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_file(struct dump *d, struct found *found, uint32_t *ret_id, struct err *err)
{
	struct dump_private *own = d->own;
	const struct dump_task *task = &own->tasks[found->task];
	struct target_fd *file;
	int r;

	array_grow(own->files, own->file_count);
	file = &own->files[own->file_count];
	*file = (struct target_fd){ .task = task,
				    .number = (int)found->number,
				    .fd = -1,
				    .id = dump_new_id(d),
				    .flags = (uint32_t)found->flags & ~(uint32_t)O_CLOEXEC,
				    .position = found->position };
	r = remote_take_fd(&task->threads[0].remote, task->pidfd, file->number, &file->fd, err);
	if (r < 0)
		return r;
	if (fstat(file->fd, &file->stat) < 0) {
		drop_fd(&file->fd);
		return err_set(err, -errno, "look at descriptor %d of task %d", file->number,
			       task->vpid);
	}
	if ((strcmp(found->link, "anon_inode:inotify") == 0 ||
	     strcmp(found->link, "anon_inode:[fanotify]") == 0) &&
	    ioctl(file->fd, FIONREAD, &file->unread) < 0)
		file->unread = 0;
	file->link = take_ptr(found->link);
	file->fdinfo = take_ptr(found->fdinfo);
	own->file_count++;
	*ret_id = file->id;
	return 0;
}

static int compare_order(const void *left, const void *right)
{
	const struct target_fd *a = left;
	const struct target_fd *b = right;

	if (a->task != b->task)
		return a->task < b->task ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* TIOCGPTPEER leaves the flag in the description; fdinfo shows either. */
static bool has_own_cloexec(const struct dump_private *own, uint32_t file)
{
	const struct target_fd *last = &own->files[own->file_count - 1];

	return last->id == file && (fcntl(last->fd, F_GETFL) & O_CLOEXEC);
}

static void add_slot(struct dump_task *task, const struct found *found, uint32_t file,
		     bool is_unsure)
{
	const char *locks = lock_line_first(found->fdinfo);

	array_grow(task->slots, task->slot_count);
	task->slots[task->slot_count++] = (struct dump_slot){
		.number = (int)found->number,
		.is_cloexec = found->flags & O_CLOEXEC,
		.is_unsure = is_unsure,
		.file = file,
		.locks = locks ? mem_string(locks) : NULL,
	};
}

/* Sorted, the descriptors of one description are neighbours, the earliest met first. */
static int unify(struct dump *d, struct found *founds, size_t count, struct err *err)
{
	struct dump_private *own = d->own;
	size_t first = 0;
	uint32_t id = 0;

	qsort_r(founds, count, sizeof(*founds), found_compare, own);
	for (size_t i = 0; i < count; i++) {
		bool is_new = i == 0 || found_compare(&founds[first], &founds[i], own) != 0;

		if (is_new) {
			int r = 0;

			first = i;
			/* The texts stay: comparisons need them. */
			r = take_file(d,
				      &(struct found){ .task = founds[i].task,
						       .number = founds[i].number,
						       .flags = founds[i].flags,
						       .position = founds[i].position,
						       .link = mem_string(founds[i].link),
						       .fdinfo = mem_string(founds[i].fdinfo) },
				      &id, err);
			if (r < 0)
				return r;
		}
		add_slot(&own->tasks[founds[i].task], &founds[i], id, has_own_cloexec(own, id));
	}
	qsort(own->files, own->file_count, sizeof(*own->files), compare_order);
	return 0;
}

static int compare_slots(const void *left, const void *right)
{
	const struct dump_slot *a = left;
	const struct dump_slot *b = right;

	return a->number < b->number ? -1 : a->number > b->number;
}

/* ---- in flight ---- */

static struct target_fd *find_file(const struct dump *d, int fd, const struct stat *stat)
{
	pid_t self = getpid();

	for (size_t i = 0; i < d->own->file_count; i++) {
		struct target_fd *file = &d->own->files[i];

		if (file->stat.st_dev == stat->st_dev && file->stat.st_ino == stat->st_ino &&
		    syscall(SYS_kcmp, self, self, KCMP_FILE, fd, file->fd) == 0)
			return file;
	}
	return NULL;
}

static int describe_own(int fd, struct target_fd *file, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *link = mem_printf("self/fd/%d", fd);
	auto_free char *info = mem_printf("self/fdinfo/%d", fd);
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t flags;
	int r = procfs_readlink(proc, link, &file->link, err);

	if (r == 0)
		r = procfs_read(proc, info, &text, err);
	if (r < 0)
		return r;
	if (!procfs_field(text.data, "pos", 10, &file->position) ||
	    !procfs_field(text.data, "flags", 8, &flags))
		return err_set(err, ERR_FAILED, "fdinfo is cut");
	file->flags = (uint32_t)flags & ~(uint32_t)O_CLOEXEC;
	file->fdinfo = take_ptr(text.data);
	text = BUF_EMPTY;
	return 0;
}

static const struct kind *kind_of(const struct target_fd *file)
{
	for (size_t i = 0; kinds[i]; i++) {
		if (kinds[i]->match && kinds[i]->match(file))
			return kinds[i];
	}
	return NULL;
}

/* What is made when all tasks exist is too late for a queue. */
static void block_late(struct dump *d, const struct target_fd *file)
{
	const struct kind *kind = kind_of(file);

	if (kind && kind->replace)
		(void)dump_block(d, "let the program receive it first",
				 "a %s in flight is not supported", kind->name);
}

int dump_add_file(struct dump *d, int fd, uint32_t *ret_id, struct err *err)
{
	struct dump_private *own = d->own;
	size_t cursor = (size_t)(d->fd - own->files);
	auto_close int owned = fd;
	const struct target_fd *known;
	struct target_fd file = {
		.task = d->fd->task, .number = d->fd->number, .is_in_flight = true, .fd = -1
	};
	int r;

	if (fstat(fd, &file.stat) < 0)
		return err_set(err, -errno, "look at a descriptor in flight");
	known = find_file(d, fd, &file.stat);
	if (known) {
		block_late(d, known);
		*ret_id = known->id;
		return 0;
	}
	r = describe_own(fd, &file, err);
	if (r < 0) {
		free(file.link);
		return err_wrap(err, "look at a descriptor in flight");
	}
	file.fd = take_fd(&owned);
	file.id = dump_new_id(d);
	block_late(d, &file);
	array_grow(own->files, own->file_count);
	own->files[own->file_count++] = file;
	d->fd = &own->files[cursor];
	*ret_id = file.id;
	return 0;
}

/* ---- kinds ---- */

/* The list grows meanwhile. */
static int collect_in_flight(struct dump *d, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->own->file_count; i++) {
		const struct kind *kind = kind_of(&d->own->files[i]);

		d->fd = &d->own->files[i];
		r = dump_find_file_namespace(d, err);
		if (r == 0 && kind && kind->collect && !d->fd->is_foreign)
			r = kind->collect(d, err);
		if (r < 0)
			(void)err_wrap(err, "task %d (%s), descriptor %d: %s", d->fd->task->vpid,
				       d->fd->task->stat.comm, d->fd->number, kind->name);
		/* A lock of a description is found by its descriptors in tables. */
		if (r == 0 && d->fd->is_in_flight && lock_line_first(d->fd->fdinfo))
			(void)dump_block(d, NULL, "a locked file in flight is not supported");
	}
	d->fd = NULL;
	return r;
}

static void block_unknown(struct dump *d)
{
	auto_buf struct buf what = BUF_EMPTY;

	fd_describe(d->fd, &what);
	(void)dump_block(d, NULL, "%s is not supported", what.data);
}

static int dump_file(struct dump *d, struct target_fd *file, enum phase phase, struct err *err)
{
	const struct kind *kind = kind_of(file);

	d->fd = file;
	if (file->is_foreign || !kind) {
		if (phase == PHASE_FILES && !external_takes(d))
			block_unknown(d);
	} else if (kind->phase == phase) {
		int r = kind->dump(d, err);

		if (r == 0)
			netns_dump(d);
		if (r < 0)
			return err_wrap(err, "task %d (%s), descriptor %d: %s", file->task->vpid,
					file->task->stat.comm, file->number, kind->name);
	}
	d->fd = NULL;
	return 0;
}

int dump_collect_files(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	struct found *founds = NULL;
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < own->task_count; i++) {
		if (own->tasks[i].thread_count)
			r = read_table(d, i, &founds, &count, err);
	}
	if (r == 0)
		r = unify(d, founds, count, err);
	for (size_t i = 0; i < count; i++) {
		free(founds[i].link);
		free(founds[i].fdinfo);
	}
	free(founds);
	for (size_t i = 0; i < own->task_count; i++) {
		if (own->tasks[i].slot_count)
			qsort(own->tasks[i].slots, own->tasks[i].slot_count,
			      sizeof(struct dump_slot), compare_slots);
	}
	if (r == 0)
		r = collect_in_flight(d, err);
	return r;
}

int dump_files(struct dump *d, struct err *err)
{
	struct dump_private *own = d->own;
	int r = 0;

	for (size_t i = 0; r == 0 && i < own->file_count; i++)
		r = dump_file(d, &own->files[i], PHASE_FILES, err);
	for (size_t i = 0; r == 0 && i < own->file_count; i++)
		r = dump_file(d, &own->files[i], PHASE_LINKED, err);
	return r;
}
