/* nsproxy: in which namespaces a process is, and its pids there. A process that is only in the
 * container's own has no record. */
#include "kind/support/tree.h"

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/namespaces.h"

extern const struct kind kind_nsproxy;

/* ---- dump ---- */

static void add_row(struct buf *body, const pid_t pids[33], size_t level, size_t depth)
{
	for (size_t i = level + 1; i < depth; i++) {
		le32 pid = le32_make((uint32_t)pids[i]);

		(void)buf_append(body, &pid, sizeof(pid));
	}
}

static int nsproxy_dump(struct dump *d, struct err *err)
{
	const struct dump_task *task = d->task;
	size_t level = d->own->level;
	struct nsproxy_rec rec = {
		.pid_for_children = le32_make(task->pid_for_children),
		.thread_count = le32_make((uint32_t)(task->thread_count ? task->thread_count : 1)),
		.level_count = le32_make((uint32_t)(task->status.ns_depth - level - 1)),
	};
	auto_buf struct buf body = BUF_EMPTY;
	bool is_needed = task->pid_for_children != 0;

	(void)err;
	for (size_t i = 0; i < NAMESPACE_TYPES; i++) {
		rec.ids[i] = le32_make(task->namespaces[i]);
		is_needed |= task->namespaces[i] != 0;
	}
	if (!is_needed)
		return 0;
	(void)buf_append(&body, &rec, sizeof(rec));
	add_row(&body, task->status.ns_pgid, level, task->status.ns_depth);
	add_row(&body, task->status.ns_sid, level, task->status.ns_depth);
	add_row(&body, task->status.ns_pid, level, task->status.ns_depth);
	for (size_t i = 1; i < task->thread_count; i++) {
		const struct procfs_status *status = &task->threads[i].status;

		add_row(&body, status->ns_pid, level, status->ns_depth);
	}
	dump_record(d, task->id, &kind_nsproxy, body.data, body.size);
	return 0;
}

/* ---- check ---- */

static int nsproxy_check(const void *body, size_t length, struct err *err)
{
	const struct nsproxy_rec *rec = body;
	uint64_t levels = length < sizeof(*rec) ? 0 : le32_get(rec->level_count);
	uint64_t rows =
	    length < sizeof(*rec) ? 0 : NSPROXY_THREADS + (uint64_t)le32_get(rec->thread_count);

	if (length < sizeof(*rec) || levels > NAMESPACE_LEVELS ||
	    length != sizeof(*rec) + rows * levels * sizeof(rec->pids[0]))
		return err_set(err, ERR_DAMAGED, "nsproxy: %zu bytes", length);
	if (le32_get(rec->ids[NAMESPACE_NONE]) || le32_get(rec->thread_count) == 0)
		return err_set(err, ERR_DAMAGED, "nsproxy: unknown bits");
	for (uint64_t i = 0; i < rows * levels; i++) {
		uint32_t pid = le32_get(rec->pids[i]);

		if (pid > TASK_PID_MAX || (pid == 0 && i >= NSPROXY_THREADS * levels))
			return err_set(err, ERR_DAMAGED, "nsproxy: impossible pid");
	}
	return 0;
}

/* ---- link ---- */

static int check_type(const struct image *image, const struct record *record, uint32_t id,
		      enum namespace_type type, struct err *err)
{
	const struct record *found = id ? image_find(image, TAG_NAMESPACE, id) : NULL;
	const struct namespace_rec *rec = found ? found->body : NULL;

	if (id && (!found || found >= record || le32_get(rec->type) != (uint32_t)type))
		return err_set(err, ERR_DAMAGED, "nsproxy: %s namespace %u is not in the image",
			       namespace_name(type), id);
	return 0;
}

/* A parent is in the pid namespace of its children, or above. */
static int check_parent(const struct image *image, const struct task_rec *task, uint32_t pid_ns,
			struct err *err)
{
	const struct nsproxy_rec *parent = nsproxy_find(image, le32_get(task->parent));
	uint32_t above = parent ? le32_get(parent->ids[NAMESPACE_PID]) : 0;

	if (!namespace_is_below(image, pid_ns, above))
		return err_set(err, ERR_DAMAGED,
			       "nsproxy: its pid namespace is not below its parent's");
	return 0;
}

static int nsproxy_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct nsproxy_rec *rec = record->body;
	const struct record *task = image_find(image, TAG_TASK, record->id);
	uint32_t pid_ns = le32_get(rec->ids[NAMESPACE_PID]);
	uint32_t children = le32_get(rec->pid_for_children);
	int r = 0;

	if (!task || task >= record)
		return err_set(err, ERR_DAMAGED, "nsproxy: of no task");
	for (enum namespace_type type = NAMESPACE_USER; r == 0 && type < NAMESPACE_TYPES; type++)
		r = check_type(image, record, le32_get(rec->ids[type]), type, err);
	if (r == 0)
		r = check_type(image, record, children, NAMESPACE_PID, err);
	if (r < 0)
		return r;
	if (namespace_level(image, pid_ns) != le32_get(rec->level_count))
		return err_set(err, ERR_DAMAGED, "nsproxy: not as many pids as pid namespaces");
	if (!namespace_is_below(image, children, pid_ns))
		return err_set(err, ERR_DAMAGED,
			       "nsproxy: pid namespace %u for children is not below its own",
			       children);
	return check_parent(image, task->body, pid_ns, err);
}

const struct kind kind_nsproxy = {
	.name = "nsproxy",
	.summary = "the namespaces of a process that are not the container's, and its pids there",
	.tag = TAG_NSPROXY,
	.scope = SCOPE_TASK,
	.phase = PHASE_TASKS,
	.dump = nsproxy_dump,
	.check = nsproxy_check,
	.link = nsproxy_link,
};
