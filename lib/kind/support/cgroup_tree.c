/* Cgroups made again. See cgroup_tree.h. */
#include "kind/support/cgroup_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

/* Only ever grows at its end: images name rows by their number. */
const struct cgroup_attribute cgroup_attributes[] = {
	{ "cgroup.subtree_control", "", false, false },
	{ "cgroup.max.depth", "max", true, false },
	{ "cgroup.max.descendants", "max", true, false },
	{ "cgroup.freeze", "0", false, true },
	{ "cpu.weight", "100", false, false },
	{ "cpu.idle", "0", false, false },
	{ "cpu.max", "max 100000", true, false },
	{ "cpu.max.burst", "0", false, false },
	{ "cpu.uclamp.min", "0.00", false, false },
	{ "cpu.uclamp.max", "max", true, false },
	{ "cpuset.cpus", "", true, false },
	{ "cpuset.mems", "", true, false },
	{ "memory.min", "0", false, false },
	{ "memory.low", "0", false, false },
	{ "memory.high", "max", true, false },
	{ "memory.max", "max", true, false },
	{ "memory.swap.high", "max", true, false },
	{ "memory.swap.max", "max", true, false },
	{ "memory.zswap.max", "max", true, false },
	{ "memory.oom.group", "0", false, false },
	{ "pids.max", "max", true, false },
	{ "io.weight", "default 100", false, false },
	{ "io.max", "", true, false },
	{ "io.latency", "", false, false },
	{ "hugetlb.2MB.max", "max", true, false },
	{ "hugetlb.1GB.max", "max", true, false },
	{ "hugetlb.2MB.rsvd.max", "max", true, false },
	{ "hugetlb.1GB.rsvd.max", "max", true, false },
};
const uint32_t cgroup_attribute_count = sizeof(cgroup_attributes) / sizeof(cgroup_attributes[0]);

void cgroup_tree_free(struct cgroup_tree *tree)
{
	free(tree->nodes);
	free(tree->settings);
	free(tree->tasks);
	*tree = CGROUP_TREE_EMPTY;
}

static int make_node(int parent, const char *name, int *ret_dir, struct err *err)
{
	int dir;

	if (mkdirat(parent, name, 0755) < 0)
		return err_set(err, -errno, "create cgroup %s", name);
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "open cgroup %s", name);
	*ret_dir = dir;
	return 0;
}

int cgroup_tree_make(const struct cgroup_tree *tree, int dir, int **ret_dirs, struct err *err)
{
	int *dirs = mem_alloc(tree->node_count, sizeof(*dirs));
	int r = 0;

	for (size_t i = 0; i < tree->node_count; i++)
		dirs[i] = -1;
	dirs[0] = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirs[0] < 0)
		r = err_set(err, -errno, "open the container's cgroup");
	for (size_t i = 1; r == 0 && i < tree->node_count; i++)
		r = make_node(dirs[tree->nodes[i].parent], tree->nodes[i].name, &dirs[i], err);
	if (r < 0)
		cgroup_tree_close(tree, dirs);
	else
		*ret_dirs = dirs;
	return r;
}

void cgroup_tree_close(const struct cgroup_tree *tree, int *dirs)
{
	for (size_t i = 0; dirs && i < tree->node_count; i++)
		drop_fd(&dirs[i]);
	free(dirs);
}

int cgroup_tree_move(const struct cgroup_tree *tree, const int *dirs, uint32_t task, pid_t pid,
		     struct err *err)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < tree->task_count; i++) {
		const struct cgroup_task *row = &tree->tasks[i];

		if (row->task == task &&
		    cgroup_file_write(dirs[row->node], "cgroup.procs", text, err) < 0)
			return err_wrap(err, "cgroup %s", tree->nodes[row->node].name);
	}
	return 0;
}

/* "cpu pids" is read, "+cpu +pids" is written. */
static int enable(int dir, const char *controllers, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;

	while (*controllers) {
		size_t length = strcspn(controllers, " ");

		buf_printf(&text, "+%.*s ", (int)length, controllers);
		controllers += length + strspn(controllers + length, " ");
	}
	return cgroup_file_write(dir, "cgroup.subtree_control", text.data, err);
}

/* A file with several lines takes one a write. */
static int set_lines(int dir, const char *file, const char *text, struct err *err)
{
	int r = 0;

	while (r == 0 && *text) {
		size_t length = strcspn(text, "\n");
		auto_free char *line = mem_copy(text, length);

		r = cgroup_file_write(dir, file, line, err);
		text += length + (text[length] == '\n');
	}
	return r;
}

static int set_one(const struct cgroup_tree *tree, const int *dirs, size_t number, struct err *err)
{
	const struct cgroup_setting *setting = &tree->settings[number];
	const struct cgroup_attribute *attribute = &cgroup_attributes[setting->attribute];
	int dir = dirs[setting->node];
	int r = !setting->text		  ? 0
		: setting->attribute == 0 ? enable(dir, setting->text, err)
					  : set_lines(dir, attribute->file, setting->text, err);

	if (r < 0) {
		(void)err_wrap(err, "cgroup %s", tree->nodes[setting->node].name);
		err->code = ERR_REFUSED;
		return err_hint(err, "have controllers delegated to the invoker, as the saved "
				     "container had");
	}
	return 0;
}

int cgroup_tree_set(const struct cgroup_tree *tree, const int *dirs, struct err *err)
{
	/* Settings stand in the order of nodes, and parents in front of their children. */
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < tree->setting_count; i++) {
			bool is_control = tree->settings[i].attribute == 0;
			int r = is_control == (turn == 0) ? set_one(tree, dirs, i, err) : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}
