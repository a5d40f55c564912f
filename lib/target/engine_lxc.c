/* LXC: it leaves no file that says a pid, but its containers' cgroups carry their names:
 * .../lxc.payload.NAME, before LXC 4 lxc/NAME. The first task is the init of the pid namespace in
 * it. See engine.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "target/cgroup.h"
#include "target/engine.h"
#include "target/process.h"

static void add_cgroup(struct engine_list *list, int dir, const char *name)
{
	auto_free pid_t *pids = NULL;
	struct err ignored;
	size_t count = 0;

	if (cgroup_tasks(dir, &pids, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		struct engine_container container;
		struct process process;

		/* One that a container within it has made is deeper. */
		if (pids[i] == 0 || process_read_pid(pids[i], &process, &ignored) < 0 ||
		    process.ns_pid != 1 || process.ns_depth != 2)
			continue;
		container = (struct engine_container){ .engine = "lxc",
						       .id = mem_string(name),
						       .init = process.pid,
						       .start_time = process.start_time };
		engine_add(list, &container);
		return;
	}
}

/* Whoever could make the directory has given the name. */
static bool is_believed(int parent)
{
	struct stat stat;

	return fstat(parent, &stat) == 0 && (stat.st_uid == 0 || stat.st_uid == geteuid());
}

/* `name` is all of the directory's, or ends it. */
static int look_into(int parent, const char *directory, const char *name, struct engine_list *list)
{
	auto_close int dir =
	    openat(parent, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir >= 0 && is_believed(parent))
		add_cgroup(list, dir, name);
	return 0;
}

static int look_in_folder(int parent, const char *name, int depth, void *argument, struct err *err)
{
	(void)depth;
	(void)err;
	return look_into(parent, name, name, argument);
}

/* Root's are at the top, those of others in what is delegated to them. */
static int look_at(int parent, const char *name, int depth, void *argument, struct err *err)
{
	static const char payload[] = "lxc.payload.";
	struct err ignored = ERR_NONE;
	auto_close int dir = -1;

	if (strncmp(name, payload, strlen(payload)) == 0)
		return look_into(parent, name, name + strlen(payload), argument);
	if (depth >= CGROUP_DEPTH_MAX)
		return 0;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return 0;
	if (depth == 1 && strcmp(name, "lxc") == 0)
		return cgroup_each_child(dir, look_in_folder, depth + 1, argument, err);
	/* It may go away meanwhile; others are still to be looked at. */
	(void)cgroup_each_child(dir, look_at, depth + 1, argument, &ignored);
	return 0;
}

void lxc_list(struct engine_list *list)
{
	struct cgroup_mount *mounts = NULL;
	struct err ignored;
	size_t count = 0;

	if (cgroup_mounts_get(&mounts, &count, &ignored) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		auto_close int dir = -1;

		if (cgroup_open(mounts[i].point, &dir, &ignored) == 0)
			(void)cgroup_each_child(dir, look_at, 1, list, &ignored);
	}
	cgroup_mounts_free(mounts, count);
}
