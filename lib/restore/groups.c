/* Process groups, once all tasks are there: their leaders, their members, and which of them are in
 * the foreground of a terminal. */
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/support/terminal.h"
#include "restore/growth.h"

static bool names_group(const struct restore *rs, pid_t vpid)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct task_rec *rec = rs->own->tasks[i].rec;

		if (rec && !is_zombie(&rs->own->tasks[i]) && (pid_t)le32_get(rec->pgid) == vpid)
			return true;
	}
	return false;
}

int growth_lead_groups(struct restore *rs, struct err *err)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r;

		if (task->session == task->vpid || !names_group(rs, task->vpid))
			continue;
		r = growth_call(remote_of(task), "lead a process group", SYS_setpgid, 0, 0, err);
		if (r < 0)
			return err_wrap(err, "task %d", task->vpid);
	}
	return 0;
}

/* As the container sees it; 0: it does not. */
static pid_t group_of(const struct procfs_status *status, size_t level)
{
	return status->ns_depth > level ? status->ns_pgid[status->ns_depth - 1 - level] : 0;
}

static int check_group(const struct restore_task *task, pid_t group, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	int r = procfs_status_read(task->pid, &status, err);

	if (r < 0)
		return r;
	if (group_of(&status, le32_get(task->ns->level_count)) != group)
		return err_set(
		    err, ERR_REFUSED,
		    "task %d cannot be put into process group %d, which leads out of its "
		    "pid namespace",
		    task->vpid, group);
	return 0;
}

static bool has_ghost(const struct growth *growth, pid_t vpid)
{
	for (size_t i = 0; i < growth->ghost_count; i++) {
		if (growth->ghosts[i].pids.pids[0] == vpid)
			return true;
	}
	return false;
}

int growth_join_group(struct growth *growth, struct restore_task *task, struct err *err)
{
	struct restore *rs = growth->rs;
	pid_t group = (pid_t)le32_get(task->rec->pgid);
	struct restore_pids pids = restore_pids_of(task, NSPROXY_GROUP, group);
	size_t level = namespace_level(rs->image, task->now.ids[NAMESPACE_PID]);
	int r = 0;

	if (group == 0 || group == task->vpid || task->session == task->vpid)
		return 0;
	/* One that cannot be seen was inherited. */
	if (pids.count <= level)
		return check_group(task, group, err);
	if (!growth_task_by_vpid(rs, group) && !has_ghost(growth, group)) {
		r = growth_make_ghost(growth, task, task->session, &pids, err);
		if (r == 0)
			r = growth_call(&growth->ghosts[growth->ghost_count - 1].remote,
					"lead a process group", SYS_setpgid, 0, 0, err);
	}
	if (r == 0)
		r = growth_call(remote_of(task), "join a process group", SYS_setpgid, 0,
				(uint64_t)pids.pids[level], err);
	return r < 0 ? err_wrap(err, "task %d", task->vpid) : 0;
}

/* ---- foreground groups ---- */

/* The group as the leader sees it. */
static bool is_group_of(const struct restore_task *task, const struct restore_task *leader,
			pid_t group)
{
	size_t level = leader->ns ? le32_get(leader->ns->level_count) : 0;
	struct restore_pids pids;

	if (!task->rec || is_zombie(task))
		return false;
	pids = restore_pids_of(task, NSPROXY_GROUP, (pid_t)le32_get(task->rec->pgid));
	return pids.count > level && pids.pids[level] == group;
}

/* A group that all members have left is still a terminal's foreground group. */
static int find_group(struct growth *growth, struct restore_task *leader, pid_t group,
		      bool *ret_is_there, struct err *err)
{
	struct restore *rs = growth->rs;
	struct restore_pids pids = { .count = 1, .pids = { group } };
	int r;

	*ret_is_there = true;
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (is_group_of(&rs->own->tasks[i], leader, group))
			return 0;
	}
	if (has_ghost(growth, group))
		return 0;
	*ret_is_there = leader->now.ids[NAMESPACE_PID] == 0 && !restore_has_pid(rs, group);
	if (!*ret_is_there) {
		restore_note(rs,
			     "the foreground group of session %d has ended, and its number is "
			     "another's: now it is the session's own",
			     leader->vpid);
		return 0;
	}
	r = growth_make_ghost(growth, leader, leader->session, &pids, err);
	if (r < 0)
		return r;
	return growth_call(&growth->ghosts[growth->ghost_count - 1].remote, "lead a process group",
			   SYS_setpgid, 0, 0, err);
}

/* Only now do the groups exist. The leader is in the foreground yet. */
static int set_foreground(struct growth *growth, struct restore_task *leader, struct err *err)
{
	const struct ctty_rec *rec = ctty_of(growth->rs->image, leader->id);
	int terminal = growth_terminal_of(growth->rs, leader);
	auto_script struct script script = SCRIPT_NONE;
	uint32_t group = rec ? le32_get(rec->foreground) : 0;
	bool is_there = false;
	int r = 0;

	if (terminal >= 0 && group != 0)
		r = find_group(growth, leader, (pid_t)group, &is_there, err);
	if (r < 0 || !is_there)
		return r;
	script_init(&script, remote_of(leader));
	(void)script_syscall(&script, "set the foreground group", 0, SYS_ioctl, (uint64_t)terminal,
			     TIOCSPGRP, script_copy(&script, &group, sizeof(group)));
	return script_run(&script, err);
}

int growth_set_foregrounds(struct growth *growth, struct err *err)
{
	struct restore *rs = growth->rs;

	for (size_t i = 0; i < rs->own->task_count; i++) {
		int r = 0;

		if (rs->own->tasks[i].rec && !is_zombie(&rs->own->tasks[i]))
			r = set_foreground(growth, &rs->own->tasks[i], err);
		if (r < 0)
			return err_wrap(err, "task %d", rs->own->tasks[i].vpid);
	}
	return 0;
}
