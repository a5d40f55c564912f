/* See zombie.h. */
#include "kind/support/zombie.h"

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/loss.h"
#include "kind/support/own_groups.h"

static bool has_id(const uint32_t ids[4], uint32_t id)
{
	return ids[0] == id && ids[1] == id && ids[2] == id;
}

/* Restored, it is of user and group 0, as all tasks at first, where somebody has those ids. */
static bool has_own_ids(const struct dump *d, const struct procfs_status *zombie)
{
	const struct procfs_status *first = &d->own->tasks[0].status;
	uint32_t uid = first->uid[0];
	uint32_t gid = first->gid[0];

	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *task = &d->own->tasks[i];

		for (size_t j = 0; j < task->thread_count; j++) {
			for (int k = 0; k < 4; k++) {
				uid = task->threads[j].status.uid[k] == 0 ? 0 : uid;
				gid = task->threads[j].status.gid[k] == 0 ? 0 : gid;
			}
		}
	}
	return !has_id(zombie->uid, uid) || !has_id(zombie->gid, gid);
}

static bool has_member(const struct dump *d, pid_t group)
{
	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *task = &d->own->tasks[i];

		if (task->thread_count > 0 && (task->status.ns_pgid[d->own->level] == group ||
					       task->status.ns_sid[d->own->level] == group))
			return true;
	}
	return false;
}

/* Restored, it is in its parent's session, and in no group but the leader's; or it leads those of
 * others. */
static bool has_own_group(const struct dump *d, const struct procfs_status *zombie)
{
	size_t level = d->own->level;
	pid_t group = zombie->ns_pgid[level];
	pid_t session = zombie->ns_sid[level];

	if ((group == d->task->vpid || session == d->task->vpid) && has_member(d, d->task->vpid))
		return false;
	for (size_t i = 0; i < d->own->task_count; i++) {
		const struct dump_task *task = &d->own->tasks[i];

		if (task->id == d->task->parent)
			return session != task->status.ns_sid[level] || group != session;
	}
	return false;
}

int zombie_note_losses(struct dump *d, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(d->task->proc, "status", &text, err);

	if (r == 0)
		r = procfs_status_parse(text.data, &status, err);
	if (r == 0 &&
	    (has_own_ids(d, &status) || !own_groups_are(status.groups, status.group_count)))
		dump_loss(d, LOSS_ZOMBIE_IDS, d->task->id, 1, NULL);
	if (r == 0 && has_own_group(d, &status))
		dump_loss(d, LOSS_ZOMBIE_GROUP, d->task->id, 1, NULL);
	return r;
}
