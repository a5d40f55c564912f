/* The last steps: our zones go, registers come, what /proc says is compared with the plan, and all
 * tasks run. */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/compat.h"
#include "kind/support/cpu_record.h"
#include "remote/gadget.h"
#include "restore/restore.h"

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

enum { ERESTART_RESTARTBLOCK = 516 }; /* linux/errno.h of the kernel */

/* ---- the zone ---- */

/* The last call of a task is made by an instruction of its own: in its vdso, or where it stopped.
 */
static int find_last_gadget(const struct restore *rs, struct restore_task *task, struct err *err)
{
	struct remote *remote = &task->threads[0].remote;
	struct mm_view view;
	int r = mm_view(task->mm->body, task->mm->length, &view, err);

	if (r == 0 && compat_is_32(rs->image, task->id)) {
		remote->saved.cs = REMOTE_CODE_32;
		remote->saved.rip = 0;
		return remote_find_gadget(remote, err);
	}
	for (uint32_t i = 0; r == 0 && i < view.vma_count; i++) {
		if (le16_get(view.vmas[i].type) == VMA_VDSO) {
			remote->zone.gadget = le64_get(view.vmas[i].start) + rs->own->gadget_offset;
			return 0;
		}
	}
	if (r < 0)
		return r;
	remote->saved.rip = le64_get(((const struct registers_rec *)task->threads[0].record->body)
					 ->regs[offsetof(struct user_regs_struct, rip) / 8]);
	return remote_find_gadget(remote, err);
}

/* Our stops made the kernel forget that a signal is ignored. */
static int ignore_trap(struct remote *remote, const struct signal_action *action, struct err *err)
{
	struct signal_action_32 action_32 = signal_action_32(action);
	bool is_32 = remote->zone.is_gadget_32;
	int64_t result;
	int r = remote_write(remote, remote->zone.data, is_32 ? (const void *)&action_32 : action,
			     is_32 ? sizeof(action_32) : sizeof(*action), err);

	if (r < 0)
		return r;
	return remote_syscall(remote, &result, err, SYS_rt_sigaction,
			      (const uint64_t[6]){ SIGTRAP, remote->zone.data, 0, 8 });
}

static int leave_zone(struct restore *rs, struct restore_task *task, struct err *err)
{
	struct remote *remote = &task->threads[0].remote;
	const struct restore_hole *hole = &rs->own->hole;
	const struct record *signals =
	    image_find(rs->image, kind_by_name("signals")->tag, task->id);
	struct signal_action action;
	int64_t result = 0;
	int r = find_last_gadget(rs, task, err);

	if (r == 0 && signals_ignore_trap(signals, &action))
		r = ignore_trap(remote, &action, err);
	if (r == 0 && task->keeps_memory)
		r = remote_syscall(remote, &result, err, SYS_munmap,
				   (const uint64_t[6]){ hole->start, hole->end - hole->start });
	if (r == 0 && result < 0)
		return err_set(err, (int)result, "unmap our zone");
	return r;
}

/* ---- registers ---- */

static struct user_regs_struct saved_registers(const struct registers_rec *rec)
{
	struct user_regs_struct regs;
	uint64_t words[27];

	for (size_t i = 0; i < 27; i++)
		words[i] = le64_get(rec->regs[i]);
	memcpy(&regs, words, sizeof(regs));
	/* What this kind of restart would need is in the old kernel's memory: start the call anew.
	 */
	if ((int64_t)regs.orig_rax >= 0 && (int64_t)regs.rax == -ERESTART_RESTARTBLOCK) {
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
		regs.orig_rax = (uint64_t)-1;
	}
	return regs;
}

enum { XSTATE_TILEDATA = 18 };

/* Needs the zone, so all threads do it before that goes. */
static int make_room(struct restore_thread *thread, struct err *err)
{
	const struct registers_rec *rec = thread->record->body;
	const unsigned char *xstate = registers_xstate(rec);
	uint64_t features;

	memcpy(&features, xstate + 512, sizeof(features));
	if (!(features >> XSTATE_TILEDATA & 1))
		return 0;
	return remote_use_tile(&thread->remote, err);
}

static bool has_form_of(const struct cpu *saved, const struct cpu *here, uint64_t parts)
{
	for (unsigned int i = 2; i < CPU_PARTS; i++) {
		if (parts >> i & 1 && (saved->parts[i].offset != here->parts[i].offset ||
				       saved->parts[i].size != here->parts[i].size))
			return false;
	}
	return true;
}

/* Another processor may have the same parts in other places, and may have more of them. */
static int load_xstate(const struct restore *rs, const struct restore_thread *thread,
		       struct err *err)
{
	const struct registers_rec *rec = thread->record->body;
	const struct record *record = image_next(rs->image, TAG_CPU, NULL);
	auto_free void *here = mem_alloc(XSTATE_MAX, 1);
	struct iovec saved_state = { (void *)(uintptr_t)registers_xstate(rec),
				     le32_get(rec->xstate_size) };
	struct iovec state = { here, XSTATE_MAX };
	struct cpu saved;
	struct cpu cpu;

	if (ptrace(PTRACE_GETREGSET, thread->tid, NT_X86_XSTATE, &state) < 0)
		return err_set(err, -errno, "read extended registers");
	cpu_look(&cpu);
	if (record)
		cpu_of_record(record, &saved);
	if (!record || (state.iov_len == saved_state.iov_len &&
			has_form_of(&saved, &cpu, cpu_parts_in(saved_state.iov_base))))
		state = saved_state;
	else if (!cpu_convert(&saved, saved_state.iov_base, saved_state.iov_len, &cpu, here,
			      state.iov_len))
		return err_set(err, ERR_HOST, "this processor has no room for its registers");
	if (ptrace(PTRACE_SETREGSET, thread->tid, NT_X86_XSTATE, &state) < 0) {
		(void)err_set(err, -errno, "set extended registers");
		return err_hint(err, "restore on a processor with the same features");
	}
	return 0;
}

static int load_thread(const struct restore *rs, const struct restore_thread *thread,
		       struct err *err)
{
	const struct registers_rec *rec = thread->record->body;
	struct user_regs_struct regs = saved_registers(rec);
	uint64_t blocked = le64_get(rec->blocked);

	if (ptrace(PTRACE_SETREGS, thread->tid, 0, &regs) < 0)
		return err_set(err, -errno, "set registers");
	if (load_xstate(rs, thread, err) < 0)
		return err->code;
	if (ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof(blocked), &blocked) < 0)
		return err_set(err, -errno, "set signal mask");
	return 0;
}

/* An init of ours runs its few instructions for the first root of the tree. */
static int load_init(const struct restore *rs, const struct restore_task *init, struct err *err)
{
	struct user_regs_struct regs = init->threads[0].remote.saved;
	uint64_t blocked = 0;

	regs.rip = rs->own->hole.code + remote_init_offset();
	regs.rbx = (uint64_t)rs->own->tasks[1].vpid;
	regs.r13 = rs->own->hole.data;
	regs.r14 = 0;
	regs.rsp = rs->own->hole.data + RESTORE_DATA_SIZE;
	regs.orig_rax = (uint64_t)-1;
	if (ptrace(PTRACE_SETREGS, init->pid, 0, &regs) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, init->pid, sizeof(blocked), &blocked) < 0)
		return err_set(err, -errno, "set registers of the init");
	return 0;
}

int restore_load_registers(struct restore *rs, struct err *err)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		struct restore_task *task = &rs->own->tasks[i];
		int r = 0;

		if (!task->record)
			r = load_init(rs, task, err);
		for (size_t j = 0; r == 0 && task->record && j < task->thread_count; j++)
			r = make_room(&task->threads[j], err);
		if (r == 0 && task->record && task->thread_count > 0)
			r = leave_zone(rs, task, err);
		for (size_t j = 0; r == 0 && task->record && j < task->thread_count; j++)
			r = load_thread(rs, &task->threads[j], err);
		if (r < 0)
			return err_wrap(err, "task %d", task->vpid);
	}
	return 0;
}

/* ---- the post-check ---- */

/* An id as a reader outside of the container sees it. */
static uint32_t outside_id(const struct id_map *map, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++) {
		if (id >= map[i].inside && id - map[i].inside < map[i].count)
			return (uint32_t)(id - map[i].inside) + map[i].outside;
	}
	return 65534;
}

struct comparison {
	const struct plan *plan;
	const struct restore_thread *thread;
	struct err *err;
	int result;
};

static void compare(struct comparison *c, enum policy_class class, uint32_t detail,
		    const char *what, uint64_t expected, uint64_t found)
{
	if (c->result < 0 || !plan_answer(c->plan, class, c->thread->record->id, detail) ||
	    expected == found)
		return;
	c->result =
	    err_set(c->err, ERR_FAILED, "task %d: %s is %" PRIx64 ", not %" PRIx64 " as planned",
		    c->thread->vtid, what, found, expected);
}

static uint64_t planned(const struct comparison *c, enum policy_class class, uint32_t detail)
{
	return plan_value(c->plan, class, c->thread->record->id, detail, 0);
}

static void compare_ids(struct comparison *c, const struct procfs_status *status)
{
	size_t uid_count;
	size_t gid_count;
	const struct id_map *uids = plan_uid_map(c->plan, &uid_count);
	const struct id_map *gids = plan_gid_map(c->plan, &gid_count);

	for (uint32_t i = 0; i < 4; i++) {
		compare(c, CLASS_UID, i, "a user id",
			outside_id(uids, uid_count, planned(c, CLASS_UID, i)), status->uid[i]);
		compare(c, CLASS_GID, i, "a group id",
			outside_id(gids, gid_count, planned(c, CLASS_GID, i)), status->gid[i]);
	}
}

static int compare_numbers(const void *left, const void *right)
{
	const uint32_t *a = left;
	const uint32_t *b = right;

	return *a < *b ? -1 : *a > *b;
}

/* In a user namespace of its own a task may have been unable to set its groups: it must have
 * inherited the planned ones. */
static int compare_groups(const struct restore *rs, const struct restore_thread *thread,
			  const struct procfs_status *status, struct err *err)
{
	const struct decision *decision;
	size_t map_count;
	const struct id_map *map = plan_gid_map(rs->plan, &map_count);
	auto_free uint32_t *groups = NULL;
	size_t count = 0;

	for (uint32_t i = 0;
	     (decision = plan_answer(rs->plan, CLASS_GROUPS, thread->record->id, i)); i++) {
		if (decision->outcome == OUTCOME_INHERIT)
			return 0;
		if (decision->outcome == OUTCOME_DROP)
			continue;
		array_grow(groups, count);
		groups[count++] = outside_id(map, map_count, decision->effective);
	}
	if (count > 0)
		qsort(groups, count, sizeof(*groups), compare_numbers);
	if (count != status->group_count ||
	    (count > 0 && memcmp(groups, status->groups, count * sizeof(*groups)) != 0))
		return err_set(err, ERR_FAILED, "task %d: its groups are not as planned",
			       thread->vtid);
	return 0;
}

static int compare_thread(struct restore *rs, const struct restore_thread *thread,
			  const struct procfs_status *status, struct err *err)
{
	const uint64_t caps[] = { status->cap_inheritable, status->cap_permitted,
				  status->cap_effective, status->cap_bounding,
				  status->cap_ambient };
	static const char *const names[] = { "the inheritable capability set",
					     "the permitted capability set",
					     "the effective capability set", "the bounding set",
					     "the ambient capability set" };
	struct comparison c = { .plan = rs->plan, .thread = thread, .err = err };

	compare_ids(&c, status);
	for (uint32_t i = 0; i < 5; i++)
		compare(&c, CLASS_CAPS, i, names[i], planned(&c, CLASS_CAPS, i), caps[i]);
	compare(&c, CLASS_NO_NEW_PRIVS, 0, "no_new_privs", planned(&c, CLASS_NO_NEW_PRIVS, 0),
		status->no_new_privs);
	compare(&c, CLASS_SECCOMP, 0, "seccomp",
		plan_value(rs->plan, CLASS_SECCOMP, thread->record->id, 0,
			   (uint64_t)plan_facts(rs->plan)->seccomp),
		(uint64_t)status->seccomp);
	return c.result;
}

static int check_thread(struct restore *rs, const struct restore_task *task,
			const struct restore_thread *thread, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { 0 };
	auto_buf struct buf text = BUF_EMPTY;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", task->pid, thread->tid);
	r = procfs_read(AT_FDCWD, path, &text, err);
	if (r == 0)
		r = procfs_status_parse(text.data, &status, err);
	if (r == 0)
		r = compare_thread(rs, thread, &status, err);
	if (r == 0 && task->ns && le32_get(task->ns->ids[NAMESPACE_USER]) &&
	    plan_may_setgroups(rs->plan))
		r = compare_groups(rs, thread, &status, err);
	if (r == 0)
		r = restore_check_state(rs, task, thread, err);
	return r;
}

static bool scan_limit(const char **at, rlim_t *ret_limit)
{
	scan_blanks(at);
	if (scan_text(at, "unlimited")) {
		*ret_limit = RLIM_INFINITY;
		return true;
	}
	return scan_number(at, 10, UINT64_MAX, ret_limit);
}

/* From proc(5): one line for each, in the order of their numbers, behind a head; what comes after a
 * name of 25 characters and a blank is the soft, then the hard one. */
static int read_limits(const struct restore_task *task, struct rlimit limits[RLIM_NLIMITS],
		       struct err *err)
{
	enum { NAME_WIDTH = 26 };
	auto_free char *path = mem_printf("/proc/%d/limits", task->pid);
	auto_buf struct buf text = BUF_EMPTY;
	const char *at;
	int r = procfs_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	at = text.data;
	for (size_t i = 0; i < RLIM_NLIMITS; i++) {
		at = strchr(at, '\n');
		if (!at || memchr(++at, '\0', NAME_WIDTH))
			return err_set(err, -EPROTO, "task %d: read limit %zu", task->vpid, i);
		at += NAME_WIDTH;
		if (!scan_limit(&at, &limits[i].rlim_cur) || !scan_limit(&at, &limits[i].rlim_max))
			return err_set(err, -EPROTO, "task %d: read limit %zu", task->vpid, i);
	}
	return 0;
}

/* prlimit(2) would ask for a capability where ids are others, which root may be without. */
static int check_limits(const struct restore *rs, const struct restore_task *task, struct err *err)
{
	struct rlimit limits[RLIM_NLIMITS];
	int r = read_limits(task, limits, err);

	for (uint32_t i = 0; r == 0 && i < RLIM_NLIMITS; i++) {
		uint64_t soft = plan_value(rs->plan, CLASS_RLIMIT, task->id, 2 * i, 0);
		uint64_t hard = plan_value(rs->plan, CLASS_RLIMIT, task->id, 2 * i + 1, 0);

		if (limits[i].rlim_max != hard || limits[i].rlim_cur != (soft < hard ? soft : hard))
			return err_set(err, ERR_FAILED, "task %d: limit %u is not as planned",
				       task->vpid, i);
	}
	return r;
}

int restore_post_check(struct restore *rs, struct err *err)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];

		for (size_t j = 0; task->record && j < task->thread_count; j++) {
			int r = check_thread(rs, task, &task->threads[j], err);

			if (r < 0)
				return r;
		}
		if (task->record && task->thread_count > 0 && check_limits(rs, task, err) < 0)
			return err->code;
	}
	return 0;
}

/* ---- running ---- */

/* A stop by signal waits for the first of its threads that runs, and holds all of them before they
 * are back in user mode. */
static int let_task_go(const struct restore_task *task)
{
	bool is_stopped = task->rec && le32_get(task->rec->flags) & TASK_STOPPED;

	if (is_stopped && kill(task->pid, SIGSTOP) < 0)
		return -errno;
	for (size_t i = task->thread_count; i-- > 0;) {
		/* One that runs already may have ended the process. */
		if (ptrace(PTRACE_DETACH, task->threads[i].tid, 0, 0) < 0 && errno != ESRCH)
			return -errno;
	}
	return 0;
}

int restore_let_go(struct restore *rs, struct err *err)
{
	/* Children first: a parent that sees the container whole before its children run. */
	for (size_t i = rs->own->task_count; i-- > 0;) {
		const struct restore_task *task = &rs->own->tasks[i];
		int r = let_task_go(task);

		if (r < 0)
			return err_set(err, r, "let task %d run", task->vpid);
	}
	return 0;
}

void restore_list_threads(const struct restore *rs, struct freeze *frozen)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		const struct restore_task *task = &rs->own->tasks[i];
		bool is_stopped = task->rec && le32_get(task->rec->flags) & TASK_STOPPED;

		for (size_t j = 0; j < task->thread_count; j++) {
			array_grow(frozen->threads, frozen->thread_count);
			frozen->threads[frozen->thread_count++] = (struct frozen_thread){
				.pid = task->pid,
				.tid = task->threads[j].tid,
				.stop_signal = is_stopped ? SIGSTOP : 0,
				.must_stop = is_stopped && j == 0,
			};
		}
	}
}
