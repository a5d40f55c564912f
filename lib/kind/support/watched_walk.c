/* Walking a file system for watched files. See watched.h. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/files.h"
#include "kind/support/watched_search.h"

enum { WALK_ENTRIES = 1000000, WALK_SECONDS = 10 };

struct walk {
	struct search *search;
	const char *point;
	int mount; /* borrowed: the root of what is mounted there */
	bool asks_all;
	time_t end;    /* CLOCK_MONOTONIC */
	char **queue;  /* owned: directories below the root, each owned until it was read */
	size_t queued; /* put in */
	size_t taken;
};

static time_t seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Never out of the mount: what is mounted on it is not of its file system. */
static int open_below(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve =
		    RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return sys_openat2(dir, path, &how);
}

static bool has_inode(const struct search *search, uint64_t inode)
{
	for (size_t i = 0; i < search->count; i++) {
		if (search->list[i].inode == inode)
			return true;
	}
	return false;
}

static void visit(struct walk *walk, int dir, const char *parent, const struct dirent *entry)
{
	auto_free char *below = mem_printf("%s/%s", parent, entry->d_name);

	if (walk->asks_all || has_inode(walk->search, entry->d_ino)) {
		const char *point = strcmp(walk->point, "/") == 0 ? "" : walk->point;
		auto_free char *path = mem_printf("%s%s", point, below + 1);
		auto_close int fd = open_below(dir, entry->d_name, O_PATH);

		if (fd >= 0 && strlen(path) < FILE_PATH_MAX)
			search_try(walk->search, fd, 0, path);
	}
	if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
		return;
	array_grow(walk->queue, walk->queued);
	walk->queue[walk->queued++] = take_ptr(below);
}

static void read_next(struct walk *walk)
{
	const char *path = walk->queue[walk->taken++];
	int fd = open_below(walk->mount, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir && walk->search->left > 0 && walk->search->entries < WALK_ENTRIES &&
	       (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		walk->search->entries++;
		visit(walk, fd, path, entry);
	}
}

static void walk_free(struct walk *walk)
{
	for (size_t i = 0; i < walk->queued; i++)
		free(walk->queue[i]);
	free(walk->queue);
}

void search_walk(struct search *search, const char *point, bool asks_all)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	auto_close int mount = sys_openat2(search->root, point, &how);
	auto_with(walk_free) struct walk walk = {
		.search = search,
		.point = point,
		.mount = mount,
		.asks_all = asks_all,
		.end = seconds_now() + WALK_SECONDS,
	};

	if (mount < 0)
		return;
	array_grow(walk.queue, walk.queued);
	walk.queue[walk.queued++] = mem_string(".");
	while (walk.taken < walk.queued && search->left > 0 && search->entries < WALK_ENTRIES &&
	       seconds_now() < walk.end)
		read_next(&walk);
}
