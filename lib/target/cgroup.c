/* Control groups: directories and the tasks in them. See cgroup.h. */
#include "target/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "target/process.h"

static int check_file_system(int dir, const char *path, struct err *err)
{
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return err_set(err, -errno, "stat %s", path);
	if (fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_set(err, -ENOENT, "%s is not a cgroup", path);
	return 0;
}

int cgroup_open(const char *path, int *ret_dir, struct err *err)
{
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return err_set(err, -errno, "open cgroup %s", path);
	r = check_file_system(dir, path, err);
	if (r < 0)
		return r;
	*ret_dir = take_fd(&dir);
	return 0;
}

int cgroup_each_child(int dir, cgroup_child_fn *each, int depth, void *argument, struct err *err)
{
	auto_close int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!stream)
		return err_set(err, -errno, "list a cgroup");
	(void)take_fd(&copy);
	if (depth > CGROUP_DEPTH_MAX)
		return err_set(err, ERR_REFUSED, "cgroups nested deeper than %d", CGROUP_DEPTH_MAX);
	for (errno = 0; (entry = readdir(stream)); errno = 0) {
		int r;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = each(dir, entry->d_name, depth, argument, err);
		if (r < 0)
			return r;
	}
	return errno ? err_set(err, -errno, "list a cgroup") : 0;
}

struct pids {
	pid_t *list; /* owned */
	size_t count;
};

static void pids_free(struct pids *pids)
{
	free(pids->list);
}

static int add_tasks(int dir, struct pids *pids, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(dir, "cgroup.procs", &text, err);

	if (r < 0)
		return r;
	for (const char *at = text.data; *at;) {
		uint64_t pid;

		if (!scan_number(&at, 10, INT_MAX, &pid) || !scan_char(&at, '\n'))
			return err_set(err, ERR_FAILED, "cgroup.procs: damaged line");
		array_grow(pids->list, pids->count);
		pids->list[pids->count++] = (pid_t)pid;
	}
	return 0;
}

/* A cgroup that has gone meanwhile held no task; a threaded one (v2) has its processes listed by
 * the domain above it. */
static int add_child_tasks(int dir, const char *name, int depth, void *argument, struct err *err)
{
	auto_close int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (child < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open cgroup %s", name);
	r = add_tasks(child, argument, err);
	if (r == 0)
		r = cgroup_each_child(child, add_child_tasks, depth + 1, argument, err);
	return r == -ENODEV || r == -ENOENT || r == -EOPNOTSUPP ? 0 : r;
}

int cgroup_tasks(int dir, pid_t **ret_pids, size_t *ret_count, struct err *err)
{
	auto_with(pids_free) struct pids pids = { .list = NULL };
	int r = add_tasks(dir, &pids, err);

	if (r == 0)
		r = cgroup_each_child(dir, add_child_tasks, 1, &pids, err);
	if (r < 0)
		return r;
	pids_sort(pids.list, &pids.count);
	*ret_count = pids.count;
	*ret_pids = take_ptr(pids.list);
	return 0;
}

static int remove_child(int dir, const char *name, int depth, void *argument, struct err *err)
{
	auto_close int child = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (child < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open cgroup %s", name);
	r = cgroup_each_child(child, remove_child, depth + 1, argument, err);
	if (r < 0)
		return r;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove cgroup %s", name);
	return 0;
}

int cgroup_remove(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent_path = NULL;
	auto_close int parent = -1;
	int r;

	if (path[0] != '/' || slash[1] == '\0' || cgroup_path_leaves(path))
		return err_set(err, ERR_FAILED, "%s is not the path of a cgroup", path);
	parent_path = mem_copy(path, (size_t)(slash - path));
	r = cgroup_open(parent_path, &parent, err);
	if (r < 0)
		return r;
	return remove_child(parent, slash + 1, 1, NULL, err);
}
