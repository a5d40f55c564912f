/* Removing files. See tree_clear.h. */
#include "kind/support/tree_clear.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"

enum { DEPTH_MAX = 512 };

int tree_open_here(int dir, const char *name, bool may_be_mount, bool *ret_is_mount)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					   RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
	int fd = sys_openat2(dir, name, &how);

	*ret_is_mount = fd < 0 && errno == EXDEV && may_be_mount;
	return *ret_is_mount ? openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
			     : fd;
}

static int clear(int dir, const char *name, size_t depth)
{
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;
	struct stat stat;
	bool is_mount;
	int fd;

	if (fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(stat.st_mode))
		return unlinkat(dir, name, 0) < 0 ? -errno : 0;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	fd = tree_open_here(dir, name, false, &is_mount);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list)
		return -errno;
	while ((entry = readdir(list))) {
		int r = 0;

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = clear(fd, entry->d_name, depth + 1);
		if (r < 0)
			return r;
	}
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int tree_clear(int dir, const char *name)
{
	return clear(dir, name, 0);
}
