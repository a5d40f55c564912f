/* From a name to a target. See target.h. */
#include "target/target.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/scan.h"
#include "core/sys.h"
#include "target/cgroup.h"
#include "target/engine.h"
#include "target/process.h"
#include "target/registry.h"

enum { PF_KTHREAD = 0x00200000 };

void target_free(struct target *target)
{
	free(target->name);
	free(target->rootfs);
	free(target->seccomp);
	free(target->engine_id);
	free(target->engine_name);
	free(target->bundle);
	free(target->cgroup_path);
	cleanup_close(&target->pidfd);
	cleanup_close(&target->cgroup);
	*target = TARGET_NONE;
}

/* Frozen, we could never thaw it. */
static int check_not_above_us(pid_t init, struct err *err)
{
	struct process process;

	for (pid_t pid = getpid(); pid > 0; pid = process.ppid) {
		int r;

		if (pid == init && pid == getpid())
			return err_set(err, ERR_REFUSED, "process %d is ctckpt itself", init);
		if (pid == init)
			return err_set(err, ERR_REFUSED,
				       "process %d is an ancestor of ctckpt: "
				       "to freeze it would freeze ctckpt too",
				       init);
		r = process_read_pid(pid, &process, err);
		if (r == -ENOENT || r == -ESRCH) /* ended now; its children have a new parent */
			return 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_process(const struct process *process, struct err *err)
{
	if (process->tgid != process->pid) {
		(void)err_set(err, ERR_USAGE, "%d is a thread of process %d", process->pid,
			      process->tgid);
		return err_hint(err, "use pid:%d", process->tgid);
	}
	if (process->flags & PF_KTHREAD)
		return err_set(err, ERR_REFUSED, "process %d (%s) belongs to the kernel",
			       process->pid, process->label);
	return check_not_above_us(process->pid, err);
}

/* Who may not see its namespaces may not trace it either. */
static int check_access(const struct process *process, struct err *err)
{
	struct pid_ns ns;
	int r = process_pid_ns(process->pid, &ns, err);

	if (r != -EACCES && r != -EPERM)
		return 0;
	(void)err_set(err, r, "process %d (%s)", process->pid, process->label);
	return err_hint(err, "it belongs to another user, or has privileges that you have not");
}

/* Sets init, start time, form and pidfd. */
static int set_init(struct target *target, pid_t init, struct err *err)
{
	auto_close int pidfd = -1;
	struct process process;
	int r = process_read_pid(init, &process, err);

	if (r == -ENOENT || r == -ESRCH) {
		(void)err_set(err, ERR_FAILED, "there is no process %d", init);
		return err_hint(err, "pids are those of this pid namespace, as ps shows them");
	}
	if (r == 0)
		r = check_process(&process, err);
	if (r == 0)
		r = check_access(&process, err);
	if (r < 0)
		return r;
	pidfd = sys_pidfd_open(init);
	if (pidfd < 0)
		return err_set(err, pidfd, "open process %d", init);
	/* Read again while the pidfd holds on to the number. */
	r = process_read_pid(init, &process, err);
	if (r < 0 || process_has_ended(init, process.start_time) ||
	    sys_pidfd_send_signal(pidfd, 0) == -ESRCH)
		return err_set(err, ERR_FAILED, "process %d has ended", init);

	target->init = init;
	target->start_time = process.start_time;
	target->form = process.ns_depth > 1 && process.ns_pid == 1 ? TARGET_CONTAINER : TARGET_TREE;
	target->pidfd = take_fd(&pidfd);
	return 0;
}

/* ---- pid:N ---- */

static int find_pid(struct target *target, const char *text, struct err *err)
{
	const char *at = text;
	uint64_t pid;

	if (!scan_number(&at, 10, INT_MAX, &pid) || *at != '\0' || pid == 0)
		return err_set(err, ERR_USAGE, "\"%.80s\" is not a process number", text);
	return set_init(target, (pid_t)pid, err);
}

/* ---- cgroup:PATH ---- */

static int open_cgroup(const char *path, int *ret_dir, struct err *err)
{
	static const enum freezer_form forms[] = { FREEZER_V1, FREEZER_V2 };
	struct cgroup_mount *mounts = NULL;
	size_t count = 0;
	int r = -ENOENT;

	if (path[0] == '/' && cgroup_open(path, ret_dir, err) == 0)
		return 0;
	if (path[0] == '\0' || cgroup_path_leaves(path))
		return err_set(err, ERR_USAGE, "\"%.200s\" is not the path of a cgroup", path);
	if (cgroup_mounts_get(&mounts, &count, err) < 0)
		return err->code;
	for (size_t i = 0; r < 0 && i < 2 * count; i++) {
		const struct cgroup_mount *mount = &mounts[i % count];
		auto_free char *place = mem_printf("%s/%s", mount->point, path);

		if (mount->form == forms[i / count])
			r = cgroup_open(place, ret_dir, err);
	}
	cgroup_mounts_free(mounts, count);
	if (r < 0)
		return err_set(err, ERR_FAILED, "there is no cgroup %.200s", path);
	return 0;
}

struct members {
	struct process *list; /* owned; rising pids */
	size_t count;
};

static void members_free(struct members *members)
{
	free(members->list);
}

static int get_members(int dir, struct members *members, struct err *err)
{
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = cgroup_tasks(dir, &pids, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct process process;

		if (pids[i] == 0)
			return err_set(err, ERR_REFUSED,
				       "it holds tasks of an outer pid namespace");
		r = process_read_pid(pids[i], &process, err);
		if (r == -ENOENT || r == -ESRCH) {
			r = 0;
			continue;
		}
		if (r < 0)
			return r;
		array_grow(members->list, members->count);
		members->list[members->count++] = process;
	}
	if (r == 0 && members->count == 0)
		return err_set(err, ERR_FAILED, "it holds no task");
	return r;
}

static const struct process *member_of(const struct members *members, pid_t pid)
{
	for (size_t i = 0; i < members->count; i++) {
		if (members->list[i].pid == pid)
			return &members->list[i];
	}
	return NULL;
}

/* The init of the outermost pid namespace below ours, or else the first without a parent here. */
static const struct process *choose_root(const struct members *members)
{
	const struct process *root = NULL;

	for (size_t i = 0; i < members->count; i++) {
		const struct process *process = &members->list[i];

		if (process->ns_depth > 1 && process->ns_pid == 1 &&
		    (!root || process->ns_depth < root->ns_depth))
			root = process;
	}
	for (size_t i = 0; !root && i < members->count; i++) {
		if (!member_of(members, members->list[i].ppid))
			root = &members->list[i];
	}
	return root ? root : &members->list[0];
}

static int refuse_mixture(const struct members *members, struct err *err)
{
	enum { NAMED_MAX = 8 };
	auto_buf struct buf text = BUF_EMPTY;

	for (size_t i = 0; i < members->count && i < NAMED_MAX; i++)
		buf_printf(&text, "%s%d (%s)", i ? ", " : "", members->list[i].pid,
			   members->list[i].label);
	if (members->count > NAMED_MAX)
		buf_printf(&text, " and %zu more", members->count - NAMED_MAX);
	(void)err_set(err, ERR_REFUSED,
		      "it is not one container and not one process with its "
		      "descendants, but holds %s",
		      text.data);
	return err_hint(err, "name one of them: pid:%d", members->list[0].pid);
}

static int find_in_cgroup(struct target *target, int dir, struct err *err)
{
	auto_with(members_free) struct members members = { .list = NULL };
	auto_free pid_t *pids = NULL;
	size_t count = 0;
	int r = get_members(dir, &members, err);

	if (r < 0)
		return r;
	if (member_of(&members, getpid()))
		return err_set(err, ERR_REFUSED, "ctckpt itself runs in it");
	r = set_init(target, choose_root(&members)->pid, err);
	if (r == 0)
		r = target_tasks(target, &pids, &count, err);
	for (size_t i = 0; r == 0 && i < members.count; i++) {
		const struct process *member = &members.list[i];

		if (!pids_have(pids, count, member->pid) &&
		    !process_has_ended(member->pid, member->start_time))
			return refuse_mixture(&members, err);
	}
	return r;
}

static int find_cgroup(struct target *target, const char *path, struct err *err)
{
	auto_close int dir = -1;
	int r = open_cgroup(path, &dir, err);

	if (r < 0)
		return r;
	r = find_in_cgroup(target, dir, err);
	return r < 0 ? err_wrap(err, "cgroup %.200s", path) : 0;
}

/* ---- names ---- */

static void take_entry(struct target *target, struct registry_entry *entry)
{
	free(target->name);
	target->name = take_ptr(entry->name);
	target->rootfs = take_ptr(entry->rootfs);
	target->seccomp = take_ptr(entry->seccomp);
	target->is_registered = true;
	target->is_hooked = entry->id != NULL;
}

/* A record says only where to look. */
static int set_recorded(struct target *target, pid_t init, uint64_t start_time, const char *name,
			struct err *err)
{
	int r = set_init(target, init, err);

	if (r == 0 && target->start_time != start_time)
		return err_set(err, ERR_FAILED, "container %.80s has ended", name);
	return r;
}

char *target_socket_name(const struct target *target)
{
	if (target->is_registered)
		return mem_string(target->name);
	return mem_printf("pid-%d-%llu", target->init, (unsigned long long)target->start_time);
}

/* -ENOENT: there is none. *ret_is_annotated: the name is of whoever started it with another engine.
 */
static int find_registered(struct target *target, const char *name, bool *ret_is_annotated,
			   struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	int r = registry_find(name, &entry, err);

	if (r == 0)
		r = set_recorded(target, entry.init, entry.start_time, name, err);
	*ret_is_annotated = r == 0 && entry.id;
	if (r == 0)
		take_entry(target, &entry);
	return r;
}

static void take_container(struct target *target, const struct engine_container *container)
{
	target->engine = container->engine;
	target->engine_id = mem_string(container->id);
	target->engine_name = mem_string(engine_name(container));
	target->bundle = container->bundle ? mem_string(container->bundle) : NULL;
	if (!target->rootfs && container->rootfs)
		target->rootfs = mem_string(container->rootfs);
}

/* -ENOENT: there is none. */
static int find_in_engines(struct target *target, const char *engine, const char *name,
			   struct err *err)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	const struct engine_container *container = NULL;
	int r = engine_list_get(&list, err);

	if (r == 0)
		r = engine_find(&list, engine, name, &container, err);
	if (r == 0)
		r = set_recorded(target, container->init, container->start_time, name, err);
	if (r == 0)
		take_container(target, container);
	return r;
}

/* The invoker may mean another one, which an engine knows by this name. */
static int check_one(const struct target *target, const char *name, struct err *err)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	const struct engine_container *other = NULL;
	int r = engine_list_get(&list, err);

	if (r < 0)
		return r;
	r = engine_find(&list, NULL, name, &other, err);
	if (r == ERR_USAGE)
		return r;
	if (r < 0 || (other->init == target->init && other->start_time == target->start_time))
		return 0;
	(void)err_set(err, ERR_USAGE, "%.80s may be each of ctckpt:%.80s, %s:%.80s", name, name,
		      other->engine, engine_name(other));
	return err_hint(err, "name one as ENGINE:NAME, by its whole id, or as pid:N");
}

static int find_name(struct target *target, const char *name, struct err *err)
{
	bool is_annotated = false;
	const char *engine = NULL;
	int r = -ENOENT;

	(void)engine_split(name, &engine, &name);
	if ((!engine || strcmp(engine, "ctckpt") == 0) && (engine || registry_name_is_valid(name)))
		r = find_registered(target, name, &is_annotated, err);
	if (r == 0 && is_annotated && !engine)
		r = check_one(target, name, err);
	if (r == -ENOENT && (!engine || strcmp(engine, "ctckpt") != 0))
		r = find_in_engines(target, engine, name, err);
	if (r == -ENOENT) {
		(void)err_set(err, ERR_FAILED, "there is no container %.80s", name);
		return err_hint(err, "ctckpt ps lists them; pid:N and cgroup:PATH name others");
	}
	return r;
}

/* One that was found by its process may be known to an engine. */
static void look_up_engine(struct target *target)
{
	auto_engine_list struct engine_list list = { .list = NULL };
	struct err err = ERR_NONE;

	if (engine_list_get(&list, &err) < 0)
		log_info("engines: %s", err.text);
	for (size_t i = 0; i < list.count && !target->engine; i++) {
		if (list.list[i].init == target->init &&
		    list.list[i].start_time == target->start_time)
			take_container(target, &list.list[i]);
	}
}

/* A container found by other means may have a ctckpt name too. */
static void look_up(struct target *target)
{
	struct registry_entry *entries = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (registry_list(&entries, &count, &err) < 0) {
		log_info("registry: %s", err.text);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (entries[i].init == target->init && entries[i].start_time == target->start_time)
			take_entry(target, &entries[i]);
	}
	registry_list_free(entries, count);
}

/* Not all engines say where their containers' roots are. */
static bool has_other_root(pid_t init)
{
	auto_free char *path = mem_printf("/proc/%d/root", init);
	struct stat theirs, ours;

	return stat(path, &theirs) == 0 && stat("/", &ours) == 0 &&
	       (theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino);
}

/* What all targets have, however they were found. */
static int complete(struct target *target, struct err *err)
{
	target->has_root = target->rootfs || (target->engine && has_other_root(target->init));
	return cgroup_find_freezer(target, err);
}

int target_find(const char *name, struct target *ret_target, struct err *err)
{
	auto_target struct target target = TARGET_NONE;
	const char *at = name;
	int r = process_check_proc(err);

	if (r < 0)
		return r;
	target.name = mem_string(name);
	if (scan_text(&at, "pid:"))
		r = find_pid(&target, at, err);
	else if (scan_text(&at, "cgroup:"))
		r = find_cgroup(&target, at, err);
	else
		r = find_name(&target, name, err);
	if (r < 0)
		return r;
	if (!target.is_registered)
		look_up(&target);
	if (!target.engine)
		look_up_engine(&target);
	r = complete(&target, err);
	if (r < 0)
		return r;
	*ret_target = target;
	target = TARGET_NONE;
	return 0;
}

int target_of_container(const struct engine_container *container, struct target *ret_target,
			struct err *err)
{
	auto_target struct target target = TARGET_NONE;
	int r = set_recorded(&target, container->init, container->start_time,
			     engine_name(container), err);

	if (r < 0)
		return r;
	target.name = mem_string(engine_name(container));
	take_container(&target, container);
	r = complete(&target, err);
	if (r < 0)
		return r;
	*ret_target = target;
	target = TARGET_NONE;
	return 0;
}
