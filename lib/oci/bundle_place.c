/* Places in the new root. See bundle_place.h. */
#include "oci/bundle_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"

static int open_in_root(int root, const char *path, uint64_t flags)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = sys_openat2(root, path, &how);

	return fd < 0 ? -errno : fd;
}

int place_open(int root, const char *path)
{
	return open_in_root(root, path, 0);
}

static int make_one(int dir, const char *name, bool is_dir)
{
	auto_close int fd = -1;

	if (is_dir)
		return mkdirat(dir, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 && errno != EEXIST ? -errno : 0;
}

/* The directory that it is in, made if it is missing. */
static int make_parent(int root, const char *path, int *ret_dir, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = NULL;

	if (!slash || slash == path) {
		*ret_dir = open_in_root(root, "/", O_DIRECTORY);
		return *ret_dir < 0 ? err_set(err, *ret_dir, "open the root") : 0;
	}
	parent = mem_copy(path, (size_t)(slash - path));
	return place_make(root, parent, true, ret_dir, err);
}

int place_make(int root, const char *path, bool is_dir, int *ret_place, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_close int dir = -1;
	int fd = place_open(root, path);
	int r;

	if (fd == -ENOENT) {
		r = make_parent(root, path, &dir, err);
		if (r == 0)
			r = make_one(dir, slash ? slash + 1 : path, is_dir);
		if (r < 0)
			return err_set(err, r, "create mount point %s", path);
		fd = place_open(root, path);
	}
	if (fd < 0)
		return err_set(err, fd, "mount point %s", path);
	*ret_place = fd;
	return 0;
}

int place_attach(int mount, int place, struct err *err)
{
	if (move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(err, -errno, "mount it");
	return 0;
}

int place_take(int dir, const char *path, bool *is_deep, int *ret_mount, struct err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int fd = open_tree(dir, path, flags | (*is_deep ? AT_RECURSIVE : 0));

	/* Something below it is locked: without, what that covers would be seen. */
	if (fd < 0 && errno == EINVAL && !*is_deep) {
		*is_deep = true;
		fd = open_tree(dir, path, flags | AT_RECURSIVE);
	}
	if (fd < 0)
		return err_set(err, -errno, "take %s", path);
	*ret_mount = fd;
	return 0;
}

int place_restrict(int mount, uint64_t attributes, bool is_deep, struct err *err)
{
	static const uint64_t times = MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME;
	unsigned int flags = AT_EMPTY_PATH | (is_deep ? AT_RECURSIVE : 0);
	struct mount_attr limits = { .attr_set = attributes & ~times };
	struct mount_attr rest = { .attr_set = attributes & times,
				   .attr_clr =
				       attributes & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0 };

	if (mount_setattr(mount, "", flags, &limits, sizeof(limits)) < 0)
		return err_set(err, -errno, "restrict it");
	if (rest.attr_set)
		(void)mount_setattr(mount, "", flags, &rest, sizeof(rest));
	return 0;
}
