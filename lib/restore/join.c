/* Restoring into a container that is there already. See join.h. */
#include "restore/join.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "container/join.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/mount_join.h"

/* ---- what the container allows ---- */

static bool is_of_host(pid_t pid, const char *name)
{
	auto_free char *path = mem_printf("/proc/%d/ns/%s", pid, name);
	auto_free char *own = mem_printf("/proc/self/ns/%s", name);
	struct stat there;
	struct stat here;

	return stat(path, &there) == 0 && stat(own, &here) == 0 && there.st_ino == here.st_ino;
}

/* A namespace that is our own is shown to us from the one above. */
static int read_map(const struct ctckpt_join *join, int proc, const char *name,
		    struct id_map **ret_map, size_t *ret_count, struct err *err)
{
	bool is_ours = is_of_host(join->pid, "user");
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(proc, name, &text, err);
	const char *at = text.data;
	uint64_t n[3];

	while (r == 0 && at && *at) {
		for (int i = 0; r == 0 && i < 3; i++) {
			scan_blanks(&at);
			if (!scan_number(&at, 10, UINT32_MAX, &n[i]))
				r = err_set(err, ERR_FAILED, "%s of process %d", name, join->pid);
		}
		if (r < 0)
			break;
		(void)scan_char(&at, '\n');
		array_grow(*ret_map, *ret_count);
		(*ret_map)[(*ret_count)++] =
		    (struct id_map){ (uint32_t)n[0], (uint32_t)(is_ours ? n[0] : n[1]),
				     (uint32_t)n[2] };
	}
	return r;
}

static const struct id_map *find_line(const struct id_map *lines, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++) {
		if (id >= lines[i].inside && id - lines[i].inside < lines[i].count)
			return &lines[i];
	}
	return NULL;
}

static bool is_repeated(const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == ids[n])
			return true;
	}
	return false;
}

/* Of the map, these ids alone. */
static int keep_ids(const uint32_t *ids, size_t id_count, struct id_map **map, size_t *count,
		    struct err *err)
{
	struct id_map *kept = NULL;
	size_t kept_count = 0;

	for (size_t i = 0; i < id_count; i++) {
		const struct id_map *line = find_line(*map, *count, ids[i]);

		if (!line || is_repeated(ids, i))
			continue;
		array_grow(kept, kept_count);
		kept[kept_count++] =
		    (struct id_map){ ids[i], line->outside + (ids[i] - line->inside), 1 };
	}
	free(*map);
	*map = kept;
	*count = kept_count;
	return kept_count > 0 ? 0
			      : err_set(err, ERR_FAILED, "the container has no id for its user");
}

static int read_status(const struct ctckpt_join *join, struct host_facts *facts, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	struct bound *bound = mem_alloc(1, sizeof(*bound));
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	int r = procfs_open_pid(join->pid, &proc, err);

	facts->bound = bound;

	if (r == 0)
		r = procfs_read(proc, "status", &text, err);
	if (r == 0)
		r = procfs_status_parse(text.data, &status, err);
	if (r < 0)
		return r;
	facts->no_new_privs = status.no_new_privs;
	facts->seccomp = status.seccomp;
	if (procfs_read(proc, "setgroups", &text, err) == 0)
		facts->is_setgroups_denied = strncmp(text.data, "deny", 4) == 0;
	bound->no_new_privs = status.no_new_privs;
	bound->has_filter = status.seccomp != 0;
	for (size_t i = 0; i < sizeof(bound->caps) / sizeof(bound->caps[0]); i++)
		bound->caps[i] = join->caps[i];
	r = read_map(join, proc, "uid_map", &bound->uids, &bound->uid_count, err);
	if (r == 0)
		r = read_map(join, proc, "gid_map", &bound->gids, &bound->gid_count, err);
	if (r == 0 && join->uid != 0)
		r = keep_ids(&join->uid, 1, &bound->uids, &bound->uid_count, err);
	if (r == 0 && join->uid != 0)
		r = keep_ids(join->gids, join->gid_count, &bound->gids, &bound->gid_count, err);
	return r < 0 ? r : mount_add_joined(join->pid, join->bundle, bound, err);
}

int join_take_facts(const struct ctckpt_join *join, struct host_facts *facts, struct err *err)
{
	int r = read_status(join, facts, err);

	for (int i = 0; r == 0 && i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		if (prlimit(join->pid, (enum __rlimit_resource)i, NULL, &limit) < 0)
			return err_set(err, -errno, "read the limits of process %d", join->pid);
		facts->hard_limits[i] = limit.rlim_max;
	}
	facts->is_joined = true;
	return r;
}

/* ---- what is another's ---- */

/* Their mounts and links were made in the container's own, which are the engine's now. */
static int check_nested(const struct restore *rs, struct err *err)
{
	const struct record *record = NULL;

	while ((record = image_next(rs->image, TAG_NAMESPACE, record))) {
		enum namespace_type type =
		    le32_get(((const struct namespace_rec *)record->body)->type);

		if (type == NAMESPACE_NET || type == NAMESPACE_MNT)
			return err_set(err, ERR_REFUSED,
				       "a %s namespace of single tasks is not supported in a "
				       "container of another engine",
				       namespace_name(type));
	}
	return 0;
}

static int check_ipc(const struct restore *rs, const struct ctckpt_join *join, struct err *err)
{
	for (size_t i = 0; is_of_host(join->pid, "ipc") && kinds[i]; i++) {
		if (kinds[i]->namespace == NAMESPACE_IPC &&
		    image_next(rs->image, kinds[i]->tag, NULL))
			return err_set(err, ERR_REFUSED,
				       "kind %s: the container has no ipc namespace of its own",
				       kinds[i]->name);
	}
	return 0;
}

int join_check(struct restore *rs, const struct ctckpt_join *join, struct err *err)
{
	int r = check_nested(rs, err);

	if (r == 0)
		r = check_ipc(rs, join, err);
	if (r < 0)
		return r;
	restore_note(rs, "mounts, network, host name and limits are those of the container's "
			 "engine, not the saved ones");
	if (image_next(rs->image, TAG_TIME, NULL))
		restore_note(rs,
			     "the container's clocks are those of this host: CLOCK_MONOTONIC does "
			     "not go on from where it was, since no process can enter a time "
			     "namespace that its engine has not made");
	return mount_find_own_memory(join->pid, join->bundle, &rs->own->memory,
				     &rs->own->memory_count, err);
}

/* ---- the first task ---- */

int join_seize(pid_t init, struct err *err)
{
	int status;
	int r = restore_seize_first(init, err);

	if (r < 0)
		return r;
	if (ptrace(PTRACE_INTERRUPT, init, 0, 0) < 0)
		return err_set(err, -errno, "trace the container's first task");
	while (waitpid(init, &status, __WALL) >= 0 || errno == EINTR) {
		if (!WIFSTOPPED(status))
			break;
		if (status >> 16 == PTRACE_EVENT_STOP)
			return 0;
		/* A signal that it has no use for. */
		if (ptrace(PTRACE_CONT, init, 0, 0) < 0)
			break;
	}
	return err_set(err, ERR_FAILED, "the container's first task has ended");
}

enum { PIDFD = 3, TAKEN = 4 };

/* What was at high numbers in the task that made it, is at the same here: all of them lie behind
 * the lowest free ones, which the kernel gives first. */
static int take_object(struct script *script, uint32_t n, struct err *err)
{
	int r = script_room(script, 3, 0, err);

	(void)script_syscall(script, "take a descriptor", 0, SYS_pidfd_getfd, PIDFD, n, 0);
	(void)script_syscall(script, "place a descriptor", 0, SYS_dup3, TAKEN, n, 0);
	(void)script_syscall(script, "close", 0, SYS_close, TAKEN);
	return r;
}

static int take_each(struct restore *rs, struct script *script, pid_t maker, struct err *err)
{
	auto_free char *path = mem_printf("/proc/%d/fd", maker);
	auto_closedir DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "list %s", path);
	while (r == 0 && (entry = readdir(dir))) {
		const char *at = entry->d_name;
		uint64_t n;

		if (scan_number(&at, 10, rs->own->shared->next - 1, &n) && n >= rs->own->base)
			r = take_object(script, (uint32_t)n, err);
	}
	return r;
}

/* `maker` inside, `outer` for us. */
static int take_objects(struct restore *rs, struct remote *remote, pid_t maker, pid_t outer,
			struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct rlimit limit;
	int r;

	if (prlimit(remote->tid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return err_set(err, -errno, "read the limit of open files");
	limit.rlim_cur = limit.rlim_max;
	script_init(&script, remote);
	(void)script_syscall(&script, "raise the limit of open files", SCRIPT_MAY_FAIL,
			     SYS_prlimit64, 0, RLIMIT_NOFILE,
			     script_copy(&script, &limit, sizeof(limit)), 0);
	(void)script_syscall(&script, "close", 0, SYS_close_range, PIDFD, ~0u, 0);
	(void)script_syscall(&script, "open the task that made all", 0, SYS_pidfd_open,
			     (uint64_t)maker, 0);
	r = take_each(rs, &script, outer, err);
	(void)script_syscall(&script, "close", 0, SYS_close, PIDFD);
	return r < 0 ? r : script_run(&script, err);
}

/* Room for locked memory, as an ordinary first task has it (stage.c). */
static void raise_memlock(pid_t init)
{
	struct rlimit limit;

	if (prlimit(init, RLIMIT_MEMLOCK, NULL, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)prlimit(init, RLIMIT_MEMLOCK, &limit, NULL);
}

static int find_filter(struct restore *rs, const struct ctckpt_join *join, struct err *err)
{
	int r = join->filter ? filter_parse(join->filter, &rs->own->engine_filter, err) : 0;
	const struct filter *engine = &rs->own->engine_filter;
	const struct filter *saved = &rs->own->filter;

	rs->own->has_filter = saved->code && filter_is_same(engine, saved);
	return r;
}

static int read_caps(pid_t init, uint64_t *ret_caps, struct err *err)
{
	auto_with(procfs_status_free) struct procfs_status status = { .groups = NULL };
	int r = procfs_status_read(init, &status, err);

	if (r == 0)
		*ret_caps = status.cap_permitted;
	return r;
}

int join_make_first_task(struct restore *rs, const struct ctckpt_join *join, pid_t init,
			 int init_pidfd, struct err *err)
{
	struct container task = CONTAINER_NONE;
	pid_t maker;
	int r = find_filter(rs, join, err);

	if (r == 0)
		r = read_caps(init, &rs->own->held_caps, err);

	if (r == 0)
		r = container_join(init, init_pidfd, restore_stage_join, rs, &task, err);
	if (r < 0)
		return r;
	r = join_expect(&task, &maker, err);
	raise_memlock(init);
	if (r == 0)
		r = restore_take_template(rs, init, err);
	if (r == 0)
		r = take_objects(rs, &rs->own->tasks[0].threads[0].remote, maker, task.init, err);
	join_end(&task);
	container_free(&task);
	return r;
}
