/* LXC: it leaves no file that says a pid, but its containers' cgroups carry their names:
 * lxc.payload.NAME, before LXC 4 lxc/NAME. The first task is the init of the pid namespace in it.
 * See engine.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static int look_at(int parent, const char *name, int depth, void *argument, struct err *err)
{
	static const char payload[] = "lxc.payload.";
	struct engine_list *list = argument;
	auto_close int dir = -1;
	bool is_payload = strncmp(name, payload, strlen(payload)) == 0;
	bool is_folder = depth == 1 && strcmp(name, "lxc") == 0;

	if (!is_payload && !is_folder && depth == 1)
		return 0;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return 0;
	if (is_folder)
		return cgroup_each_child(dir, look_at, depth + 1, argument, err);
	add_cgroup(list, dir, is_payload ? name + strlen(payload) : name);
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
