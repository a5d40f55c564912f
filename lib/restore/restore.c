/* What kinds call while they restore, and the lists of tasks, threads and objects. */
#include "restore/restore.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/epoll_owner.h"
#include "kind/support/files.h"
#include "kind/support/owner.h"
#include "kind/support/seccomp.h"
#include "kind/support/sharing.h"
#include "kind/support/terminal.h"

/* ---- objects ---- */

static size_t slot_of(const struct restore_shared *shared, uint32_t id)
{
	return (id * 2654435761u) & (shared->capacity - 1);
}

struct restore_object *restore_object(const struct restore *rs, uint32_t id)
{
	struct restore_shared *shared = rs->own->shared;

	for (size_t i = slot_of(shared, id);; i = (i + 1) & (shared->capacity - 1)) {
		struct restore_object *object = &shared->objects[i];

		if (object->id == id)
			return object;
		if (object->id == 0) {
			*object = (struct restore_object){
				.id = id, .fd = -1, .content = -1, .staging = -1
			};
			return object;
		}
	}
}

static int make_shared(struct restore_private *own, struct err *err)
{
	struct restore_shared *shared;
	size_t capacity = 64;

	/* Ids that are looked up come from checked references or are records' own. */
	while (capacity < 4 * own->image->record_count)
		capacity *= 2;
	own->shared_size = sizeof(*shared) + capacity * sizeof(struct restore_object) +
			   restore_made_room(own->image);
	shared =
	    mmap(NULL, own->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_set(err, -errno, "map %zu bytes", own->shared_size);
	shared->capacity = capacity;
	shared->image_fd = -1;
	shared->console = -1;
	own->shared = shared;
	return 0;
}

static int move_high(struct restore *rs, int fd, int *ret_high, struct err *err)
{
	struct restore_shared *shared = rs->own->shared;
	int high = fcntl(fd, F_DUPFD, (int)shared->next);

	if (high < 0) {
		int r = -errno;

		(void)close(fd);
		(void)err_set(err, r, "hold descriptor %u", shared->next);
		return err_hint(err, "raise the limit on open files (ulimit -n)");
	}
	(void)close(fd);
	shared->next = (uint32_t)high + 1;
	*ret_high = high;
	return 0;
}

int restore_give_fd(struct restore *rs, const struct record *record, int fd, struct err *err)
{
	int high;
	int r = move_high(rs, fd, &high, err);

	if (r == 0)
		restore_object(rs, record->id)->fd = high;
	return r;
}

int restore_content_fd(struct restore *rs, uint32_t id, int fd, struct err *err)
{
	int high;
	int r = move_high(rs, fd, &high, err);

	if (r == 0)
		restore_object(rs, id)->content = high;
	return r;
}

int restore_give_console(struct restore *rs, int master, struct err *err)
{
	return move_high(rs, master, &rs->own->shared->console, err);
}

int restore_fd(const struct restore *rs, uint32_t id)
{
	return restore_object(rs, id)->fd;
}

const struct restore_root *restore_root(const struct restore *rs)
{
	return &rs->own->root;
}

void restore_add_device(struct restore *rs, dev_t device)
{
	struct restore_private *own = rs->own;

	array_grow(own->devices, own->device_count);
	own->devices[own->device_count++] = device;
}

void restore_add_file(struct restore *rs, int fd)
{
	struct restore_private *own = rs->own;
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return;
	array_grow(own->fresh, own->fresh_count);
	own->fresh[own->fresh_count++] = (struct restore_made_file){ stat.st_dev, stat.st_ino };
}

bool restore_has_device(const struct restore *rs, int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return false;
	for (size_t i = 0; i < rs->own->device_count; i++) {
		if (rs->own->devices[i] == stat.st_dev)
			return true;
	}
	for (size_t i = 0; i < rs->own->fresh_count; i++) {
		if (rs->own->fresh[i].dev == stat.st_dev && rs->own->fresh[i].inode == stat.st_ino)
			return true;
	}
	return false;
}

int restore_stdio(const struct restore *rs, int n)
{
	int flags = fcntl(n, F_GETFL);

	(void)rs;
	return flags < 0 || flags & O_PATH ? -1 : n;
}

/* One line, whatever is in the names of files. */
void restore_note(struct restore *rs, const char *format, ...)
{
	struct restore_shared *shared = rs->own->shared;
	size_t left = sizeof(shared->notes) - shared->notes_size;
	auto_buf struct buf line = BUF_EMPTY;
	auto_free char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = mem_string(format);
	va_end(args);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			(void)buf_append(&line, "\\x0a", 4);
		else
			(void)buf_append(&line, at, 1);
	}
	if (line.size + 2 > left) {
		shared->notes_missed++;
		return;
	}
	memcpy(shared->notes + shared->notes_size, line.data, line.size);
	shared->notes_size += line.size;
	shared->notes[shared->notes_size++] = '\n';
	shared->notes[shared->notes_size] = '\0';
}

static size_t thread_number(const struct restore *rs, uint32_t id)
{
	const struct record *thread = image_find(rs->image, TAG_REGISTERS, id);

	return thread ? le32_get(((const struct registers_rec *)thread->body)->number) : 0;
}

/* The pid of a task as one sees it that is in a pid namespace of its own. */
static pid_t pid_from_inside(const struct restore *rs, uint32_t task, uint32_t id)
{
	uint32_t own = le32_get(rs->task->ns->ids[NAMESPACE_PID]);
	const struct nsproxy_rec *ns = nsproxy_find(rs->image, task);

	if (!ns || !namespace_is_below(rs->image, le32_get(ns->ids[NAMESPACE_PID]), own))
		return 0;
	return (pid_t)nsproxy_pid(ns, NSPROXY_THREADS + thread_number(rs, id),
				  le32_get(rs->task->ns->level_count));
}

pid_t restore_pid(const struct restore *rs, uint32_t id)
{
	const struct record *task = image_find(rs->image, TAG_TASK, id);
	const struct record *thread = image_find(rs->image, TAG_REGISTERS, id);

	if ((task || thread) && rs->task && rs->task->ns && le32_get(rs->task->ns->level_count) > 0)
		return pid_from_inside(rs, task ? id : owner_task_of(rs->image, id), id);
	if (task)
		return (pid_t)le32_get(((const struct task_rec *)task->body)->pid);
	if (thread)
		return (pid_t)le32_get(((const struct registers_rec *)thread->body)->tid);
	return 0;
}

/* ---- tasks ---- */

struct restore_task *restore_task_by_id(const struct restore *rs, uint32_t id)
{
	for (size_t i = 0; id && i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].id == id)
			return &rs->own->tasks[i];
	}
	return NULL;
}

void restore_count_tasks(const struct restore *rs, uint32_t *ret_tasks, uint32_t *ret_threads)
{
	const struct restore_private *own = rs->own;

	for (size_t i = 0; i < own->task_count; i++) {
		*ret_tasks += own->tasks[i].record != NULL;
		*ret_threads += own->tasks[i].record ? (uint32_t)own->tasks[i].thread_count : 0;
	}
}

static void add_thread(struct restore_task *task, const struct record *record)
{
	const struct registers_rec *rec = record->body;
	struct restore_thread *thread;

	array_grow(task->threads, task->thread_count);
	thread = &task->threads[task->thread_count++];
	*thread = (struct restore_thread){ .record = record, .vtid = (pid_t)le32_get(rec->tid) };
}

static int add_threads(struct restore *rs, struct err *err)
{
	const struct record *record = NULL;
	struct restore_task *task = NULL;

	while ((record = image_next(rs->image, TAG_REGISTERS, record))) {
		uint32_t id = le32_get(((const struct registers_rec *)record->body)->task);

		if (!task || task->id != id)
			task = restore_task_by_id(rs, id);
		add_thread(task, record);
	}
	for (size_t i = 0; i < rs->own->task_count; i++) {
		task = &rs->own->tasks[i];
		if (!task->rec || le32_get(task->rec->flags) & TASK_ZOMBIE)
			continue;
		if (task->thread_count == 0 || task->threads[0].vtid != task->vpid)
			return err_set(err, ERR_DAMAGED, "task %d: no main thread", task->vpid);
	}
	return 0;
}

static void add_task(struct restore *rs, const struct record *record)
{
	struct restore_private *own = rs->own;
	const struct task_rec *rec = record->body;

	array_grow(own->tasks, own->task_count);
	own->tasks[own->task_count++] = (struct restore_task){
		.record = record,
		.rec = rec,
		.id = record->id,
		.vpid = (pid_t)le32_get(rec->pid),
		.mm = image_find(rs->image, TAG_MM, le32_get(rec->mm)),
		.table = image_find(rs->image, TAG_FDTABLE, record->id),
		.ns = nsproxy_find(rs->image, record->id),
	};
}

static int compare_pids(const void *left, const void *right)
{
	const pid_t *a = left;
	const pid_t *b = right;

	return *a < *b ? -1 : *a > *b;
}

static int check_pids(const struct restore_private *own, struct err *err)
{
	auto_free pid_t *pids = NULL;
	size_t count = 0;

	for (size_t i = 0; i < own->task_count; i++) {
		const struct restore_task *task = &own->tasks[i];

		array_grow(pids, count);
		pids[count++] = task->vpid;
		for (size_t j = 1; j < task->thread_count; j++) {
			array_grow(pids, count);
			pids[count++] = task->threads[j].vtid;
		}
	}
	qsort(pids, count, sizeof(*pids), compare_pids);
	for (size_t i = 1; i < count; i++) {
		if (pids[i] == pids[i - 1])
			return err_set(err, ERR_DAMAGED, "pid %d occurs twice", pids[i]);
	}
	return 0;
}

static bool image_has_init(const struct image *image)
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_TASK, record))) {
		if (le32_get(((const struct task_rec *)record->body)->pid) == 1)
			return true;
	}
	return false;
}

static void find_sharing(struct restore *rs, struct restore_task *task)
{
	struct restore_private *own = rs->own;

	task->keeps_files = true;
	task->keeps_memory = true;
	for (int share = 0; share < SHARE_COUNT; share++)
		task->groups[share] = task->id;
	if (!task->mm)
		return;
	sharing_of(rs->image, task->id, task->groups);
	for (struct restore_task *other = own->tasks; other < task; other++) {
		if (other->groups[SHARE_FILES] == task->groups[SHARE_FILES])
			other->keeps_files = false;
		if (other->groups[SHARE_MEMORY] == task->groups[SHARE_MEMORY]) {
			other->keeps_memory = false;
			task->shares_memory = true;
		}
	}
}

/* In file order, which puts parents in front of their children. */
static int list_tasks(struct restore *rs, struct err *err)
{
	struct restore_private *own = rs->own;
	int r;

	if (!image_has_init(rs->image)) {
		array_grow(own->tasks, own->task_count);
		own->tasks[own->task_count++] = (struct restore_task){ .vpid = 1, .session = 1 };
	}
	for (size_t i = 0; i < rs->image->record_count; i++) {
		if (rs->image->records[i].tag == TAG_TASK)
			add_task(rs, &rs->image->records[i]);
	}
	if (own->tasks[0].vpid != 1 || (own->task_count == 1 && !own->tasks[0].rec))
		return err_set(err, ERR_DAMAGED, "the first task of the image is not its init");
	for (size_t i = 1; i < own->task_count; i++)
		own->tasks[i].parent = restore_task_by_id(rs, le32_get(own->tasks[i].rec->parent));
	for (size_t i = 0; i < own->task_count; i++)
		find_sharing(rs, &own->tasks[i]);
	r = add_threads(rs, err);
	if (r == 0)
		r = check_pids(own, err);
	return r < 0 ? r : restore_check_namespaces(rs, err);
}

/* Above every saved number, so that objects can be held in every task until the end. */
static uint32_t first_high_number(const struct restore *rs)
{
	uint32_t base = 16;

	for (size_t i = 0; i < rs->image->record_count; i++) {
		const struct record *record = &rs->image->records[i];
		const struct kind *kind = kind_by_tag(record->tag);
		const struct fdslot_rec *slots = record->body;
		size_t count = record->length / sizeof(*slots);
		int highest = -1;

		if (record->tag == TAG_FDTABLE && count > 0)
			highest = (int)le32_get(slots[count - 1].number);
		else if (kind && strcmp(kind->name, "eventpoll") == 0)
			highest = eventpoll_highest_number(record);
		if (highest >= (int)base)
			base = (uint32_t)highest + 1;
	}
	return base;
}

int restore_init(struct restore *rs, const struct image *image, const struct plan *plan,
		 struct err *err)
{
	struct restore_private *own = mem_alloc(1, sizeof(*own));
	int r;

	*rs = (struct restore){ .image = image, .plan = plan, .own = own };
	own->image = image;
	own->held_caps = UINT64_MAX;
	own->guard = RESTORE_GUARD_NONE;
	own->root = (struct restore_root){ .dir = -1, .proc = -1 };
	(void)seccomp_of_image(image, &own->filter);
	r = make_shared(own, err);
	if (r == 0)
		r = list_tasks(rs, err);
	if (r < 0)
		return r;
	own->base = first_high_number(rs);
	own->shared->next = own->base;
	return 0;
}

void restore_free(struct restore *rs)
{
	struct restore_private *own = rs->own;

	if (!own)
		return;
	for (size_t i = 0; i < own->task_count; i++)
		free(own->tasks[i].threads);
	free(own->tasks);
	free(own->anon_offsets);
	free(own->finishes);
	free(own->devices);
	free(own->memory);
	filter_free(&own->engine_filter);
	free(own->fresh);
	drop_fd(&own->guard.orders);
	drop_fd(&own->guard.journal);
	if (own->shared)
		(void)munmap(own->shared, own->shared_size);
	free(own);
	rs->own = NULL;
}
