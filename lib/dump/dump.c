/* Records, blockers and ids of a checkpoint; the walk over all kinds. */
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/mm.h"
#include "kind/support/mqueue.h"
#include "kind/support/sysv.h"
#include "kind/support/tcp_queues.h"
#include "kind/support/unix_sockets.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/log.h"

static const size_t zone_size = 256 * 1024;

uint32_t dump_new_id(struct dump *d)
{
	return ++d->own->last_id;
}

void dump_record(struct dump *d, uint32_t id, const struct kind *kind, const void *body,
		 size_t length)
{
	struct dump_entry entry = { .tag = kind->tag,
				    .version = kind->version ? kind->version : 1,
				    .id = id,
				    .body = mem_copy(body, length),
				    .length = length };

	(void)buf_append(&d->own->records, &entry, sizeof(entry));
	d->own->record_count++;
}

/* Bytes: an error has room for a list that has grown beyond the first, up to the second. */
enum { BLOCKERS_ENOUGH = 700, BLOCKERS_MAX = 900 };

static void name_cursor(const struct dump *d, struct buf *text)
{
	const struct dump_task *task = d->fd ? d->fd->task : d->task;

	if (task)
		buf_printf(text, "task %d (%s)", task->vpid, task->stat.comm);
	if (d->fd)
		buf_printf(text, ", %sdescriptor %d", d->fd->is_in_flight ? "on its way to " : "",
			   d->fd->number);
	if (task)
		buf_printf(text, ": ");
}

int dump_block(struct dump *d, const char *remedy, const char *format, ...)
{
	struct dump_private *own = d->own;
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = mem_string(format);
	va_end(args);

	own->blocker_count++;
	if (own->blockers.size < BLOCKERS_ENOUGH) {
		if (own->blockers.size > 0)
			buf_printf(&own->blockers, "; ");
		name_cursor(d, &own->blockers);
		buf_printf(&own->blockers, "%s", text);
	} else {
		own->blockers_missed++;
	}
	if (remedy && !own->blocker_hint)
		own->blocker_hint = mem_string(remedy);
	free(text);
	return 0;
}

void dump_block_is_momentary(struct dump *d)
{
	d->own->momentary_count++;
}

void dump_add_source(struct dump *d, uint32_t id, int file, struct dump_piece *pieces, size_t count)
{
	struct dump_private *own = d->own;
	struct dump_source *source;

	array_grow(own->sources, own->source_count);
	source = &own->sources[own->source_count++];
	*source =
	    (struct dump_source){ .id = id, .file = file, .pieces = pieces, .piece_count = count };
	for (size_t i = 0; i < count; i++)
		source->size += pieces[i].extent.length;
}

void dump_content(struct dump *d, uint32_t id, int fd, const struct image_extent *extents,
		  size_t count)
{
	struct dump_piece *pieces = mem_alloc(count, sizeof(*pieces));

	for (size_t i = 0; i < count; i++)
		pieces[i].extent = extents[i];
	dump_add_source(d, id, fd, pieces, count);
}

/* ---- the walk ---- */

static int dump_kind(struct dump *d, const struct kind *kind, struct err *err)
{
	int r = kind->dump ? kind->dump(d, err) : 0;

	if (r < 0)
		return err_wrap(err, "%s", kind->name);
	return 0;
}

/* Of each that tasks are in. */
static int dump_namespaces(struct dump *d, const struct kind *kind, struct err *err)
{
	for (size_t i = 0; i < d->own->namespace_count; i++) {
		const struct dump_namespace *ns = &d->own->namespaces[i];
		int r;

		/* One without a task was refused, unless it can be looked into by descriptor. */
		if (ns->id == 0 || ns->type != kind->namespace ||
		    (!ns->task && ns->type != NAMESPACE_NET))
			continue;
		d->ns = ns;
		d->task = ns->task;
		r = dump_kind(d, kind, err);
		d->ns = NULL;
		d->task = NULL;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is in other namespaces comes after all that is in the container's own: we may be able to
 * enter them, but not to come back. */
static int dump_containers(struct dump *d, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && kinds[i]; i++) {
		if (kinds[i]->scope == SCOPE_CONTAINER)
			r = dump_kind(d, kinds[i], err);
	}
	for (size_t i = 0; r == 0 && kinds[i]; i++) {
		if (kinds[i]->scope == SCOPE_CONTAINER && kinds[i]->namespace)
			r = dump_namespaces(d, kinds[i], err);
	}
	return r;
}

static int dump_task_kinds(struct dump *d, enum scope scope, enum phase phase, struct err *err)
{
	for (size_t i = 0; kinds[i]; i++) {
		int r;

		if (kinds[i]->scope != scope || kinds[i]->phase != phase)
			continue;
		r = dump_kind(d, kinds[i], err);
		if (r < 0)
			return err_wrap(err, "task %d (%s)", d->task->vpid, d->task->stat.comm);
	}
	return 0;
}

/* With the first one, what belongs to the process. */
static int dump_thread(struct dump *d, size_t number, struct err *err)
{
	struct dump_query query;
	int r;

	d->thread = &d->task->threads[number];
	r = dump_ask_thread(d, &query, err);
	if (r < 0)
		(void)err_wrap(err, "task %d (%s)", d->task->vpid, d->task->stat.comm);
	for (enum phase phase = PHASE_MEMORY; r == 0 && phase < PHASE_COUNT; phase++) {
		if (number == 0)
			r = dump_task_kinds(d, SCOPE_TASK, phase, err);
		if (r == 0)
			r = dump_task_kinds(d, SCOPE_THREAD, phase, err);
	}
	dump_forget_answers(d, &query);
	return r;
}

static int dump_zombie(struct dump *d, struct err *err)
{
	int r = 0;

	d->thread = NULL;
	for (enum phase phase = PHASE_MEMORY; r == 0 && phase < PHASE_COUNT; phase++)
		r = dump_task_kinds(d, SCOPE_TASK, phase, err);
	return r;
}

static int dump_one_task(struct dump *d, struct err *err)
{
	int r = 0;

	if (d->task->thread_count == 0)
		return dump_zombie(d, err);
	for (size_t i = 0; r == 0 && i < d->task->thread_count; i++)
		r = dump_thread(d, i, err);
	return r;
}

static int dump_tasks(struct dump *d, struct err *err)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		int r;

		d->task = &d->own->tasks[i];
		r = dump_one_task(d, err);
		if (r < 0)
			return r;
	}
	d->task = NULL;
	d->thread = NULL;
	sysv_shm_finish(d);
	return mapfile_finish(d, err);
}

/* ---- preparing, releasing ---- */

static int prepare_task(struct dump_task *task, struct err *err)
{
	struct remote *leader;

	for (size_t i = 0; i < task->thread_count; i++) {
		struct remote *remote = &task->threads[i].remote;
		int r;

		remote->outlives_us = true;
		r = remote_check_filter(remote, err);
		if (r < 0)
			return r;
		r = remote_prepare(remote,
				   task->threads[i].status.sig_pending |
				       task->threads[i].status.shared_pending,
				   err);
		if (r < 0)
			return r;
	}
	if (task->thread_count == 0)
		return 0;
	leader = &task->threads[0].remote;
	if (remote_zone_map(leader, zone_size, task->thread_count * REMOTE_HEAL_SIZE, err) < 0)
		return err_wrap(err, "task %d (%s)", task->vpid, task->stat.comm);
	for (size_t i = 0; i < task->thread_count; i++) {
		int r;

		task->threads[i].remote.zone = leader->zone;
		r = remote_write_heal(&task->threads[i].remote, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int refuse(const struct dump_private *own, struct err *err)
{
	bool is_momentary = own->momentary_count == own->blocker_count;

	if (own->blockers_missed > 0)
		(void)err_set(err, is_momentary ? ERR_MOMENT : ERR_REFUSED, "%.*s; and %zu more",
			      BLOCKERS_MAX, own->blockers.data, own->blockers_missed);
	else
		(void)err_set(err, is_momentary ? ERR_MOMENT : ERR_REFUSED, "%s",
			      own->blockers.data);
	if (own->blocker_hint)
		(void)err_hint(err, "%s", own->blocker_hint);
	return err->code;
}

int dump_gather(struct dump *d, const struct target *target, const struct freeze *frozen,
		const struct dump_outside *outside, struct err *err)
{
	struct dump_private *own = mem_alloc(1, sizeof(*own));
	int r;

	*d = (struct dump){ .own = own };
	own->target = target;
	own->frozen = frozen;
	own->outside = *outside;
	r = dump_collect_tasks(d, err);
	if (r == 0 && own->is_untouchable)
		return refuse(own, err);
	for (size_t i = 0; r == 0 && i < own->task_count; i++)
		r = prepare_task(&own->tasks[i], err);
	if (r == 0)
		r = dump_collect_files(d, err);
	if (r == 0)
		r = dump_send_stand_ins(d, err);
	if (r == 0)
		r = dump_send_witnesses(d, err);
	if (r == 0)
		r = dump_containers(d, err);
	if (r == 0)
		r = dump_files(d, err);
	if (r == 0)
		r = dump_tasks(d, err);
	/* As long as they are there, the end of the container has to wait. */
	dump_dismiss_witnesses(own);
	if (r < 0)
		return r;
	return own->blocker_count == 0 ? 0 : refuse(own, err);
}

int dump_release(struct dump *d, struct err *err)
{
	int r = 0;

	if (!d->own)
		return 0;
	for (size_t i = 0; i < d->own->task_count; i++) {
		struct dump_task *task = &d->own->tasks[i];

		/* The leader last: its zone serves all threads. */
		for (size_t j = task->thread_count; j-- > 0;) {
			struct err own_err = ERR_NONE;

			if (remote_finish(&task->threads[j].remote, &own_err) < 0 && r == 0) {
				*err = own_err;
				r = own_err.code;
			}
		}
	}
	return r;
}

static void free_task(struct dump_task *task)
{
	for (size_t i = 0; i < task->thread_count; i++)
		procfs_status_free(&task->threads[i].status);
	free(task->threads);
	procfs_maps_free(task->vmas, task->vma_count);
	for (size_t i = 0; i < task->slot_count; i++)
		free(task->slots[i].locks);
	free(task->slots);
	drop_fd(&task->pidfd);
	drop_fd(&task->proc);
}

void dump_free(struct dump *d)
{
	struct dump_private *own = d->own;
	struct dump_entry *entries;

	if (!own)
		return;
	for (size_t i = 0; i < own->task_count; i++)
		free_task(&own->tasks[i]);
	free(own->tasks);
	for (size_t i = 0; i < own->file_count; i++) {
		drop_fd(&own->files[i].fd);
		free(own->files[i].link);
		free(own->files[i].fdinfo);
	}
	free(own->files);
	dump_free_namespaces(own);
	dump_dismiss_witnesses(own);
	for (size_t i = 0; i < own->source_count; i++) {
		drop_fd(&own->sources[i].file);
		free(own->sources[i].pieces);
	}
	free(own->sources);
	entries = (struct dump_entry *)(void *)own->records.data;
	for (size_t i = 0; i < own->record_count; i++)
		free(entries[i].body);
	buf_free(&own->records);
	buf_free(&own->blockers);
	free(own->blocker_hint);
	dump_terminals_free(&own->terminals);
	free(own->mapped);
	free(own->shared);
	sysv_shm_free(own);
	sysv_sem_free(own);
	free(own->keyrings);
	posix_mq_free(own);
	unix_sockets_free(own->unix_sockets);
	filter_free(&own->filter);
	tcp_snapshot_free(own->tcp);
	free(own);
	d->own = NULL;
}
