/* The mounts of a new container.
 *
 * The root is not trusted: it may hold symbolic links where directories are expected, and be
 * changed while we work. So everything is created in and attached to descriptors, one name at a
 * time, and no link is followed. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "container/mounts.h"
#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"

#define MQUEUE_MAGIC 0x19800202
#define DEVPTS_MAGIC 0x1cd1

#define INERT	    (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define INERT_SHOWN "nosuid,nodev,noexec,relatime"

const struct mount_row mount_rows[] = {
	{
	    .name = "proc",
	    .point = "/proc",
	    .type = "proc",
	    .attributes = INERT,
	    .shown = "rw," INERT_SHOWN,
	    .is_in_view = true,
	},
	{
	    .name = "dev",
	    .point = "/dev",
	    .type = "tmpfs",
	    .options = { "mode=755", "size=65536k" },
	    .attributes = MOUNT_ATTR_NOSUID,
	    .shown = "rw,nosuid,relatime",
	},
	{
	    .place = PLACE_DEV,
	    .name = "pts",
	    .point = "/dev/pts",
	    .type = "devpts",
	    .options = { "newinstance", "ptmxmode=0666", "mode=0620" },
	    .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	    .shown = "rw,nosuid,noexec,relatime",
	    .is_in_view = true,
	},
	{
	    .place = PLACE_DEV,
	    .name = "shm",
	    .point = "/dev/shm",
	    .type = "tmpfs",
	    .options = { "mode=1777", "size=65536k" },
	    .attributes = INERT,
	    .shown = "rw," INERT_SHOWN,
	},
	{
	    .place = PLACE_DEV,
	    .name = "mqueue",
	    .point = "/dev/mqueue",
	    .type = "mqueue",
	    .attributes = INERT,
	    .shown = "rw," INERT_SHOWN,
	    .is_in_view = true,
	},
	{
	    .name = "sys",
	    .point = "/sys",
	    .type = "sysfs",
	    .attributes = INERT | MOUNT_ATTR_RDONLY,
	    .shown = "ro," INERT_SHOWN,
	    .is_optional = true,
	},
	{ .name = NULL },
};

const char *const mount_devices[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };

static int configure(int context, const struct mount_row *row, bool has_tty_group)
{
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", row->type, 0) < 0)
		return -errno;
	for (const char *const *option = row->options; *option; option++) {
		auto_free char *key = mem_string(*option);
		char *value = strchr(key, '=');
		int r;

		if (value)
			*value++ = '\0';
		r = fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value,
			     0);
		if (r < 0)
			return -errno;
	}
	if (has_tty_group && strcmp(row->type, "devpts") == 0 &&
	    fsconfig(context, FSCONFIG_SET_STRING, "gid", "5", 0) < 0)
		return -errno;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

/* A new file system, attached to the directory `place`. */
static int mount_new(int place, const struct mount_row *row, bool has_tty_group, int *ret_mount)
{
	auto_close int context = -1;
	auto_close int mount = -1;
	int r;

	context = fsopen(row->type, FSOPEN_CLOEXEC);
	if (context < 0)
		return -errno;
	r = configure(context, row, has_tty_group);
	if (r < 0)
		return r;
	mount = fsmount(context, FSMOUNT_CLOEXEC, (unsigned int)row->attributes);
	if (mount < 0)
		return -errno;
	if (move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	*ret_mount = take_fd(&mount);
	return 0;
}

int mounts_explain(const char *type, const char *point, int code, struct err *err)
{
	if (code != -EPERM || strcmp(type, "proc") != 0)
		return err_set(err, code, "mount %s on %s", type, point);
	(void)err_set(err, ERR_HOST,
		      "mount a new /proc: the kernel refuses it where parts of the "
		      "/proc around us are hidden by other mounts");
	return err_hint(err, "inside of a container, that container must be started with an "
			     "unmasked /proc (podman, docker: --security-opt unmask=ALL or "
			     "systempaths=unconfined)");
}

/* The directory `name` in `parent`, created if it is missing. */
static int open_place(int parent, const struct mount_row *row, int *ret_fd, struct err *err)
{
	int fd = openat(parent, row->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(parent, row->name, 0755) < 0 && errno != EEXIST) {
			(void)err_set(err, -errno, "create mount point %s", row->point);
			return err_hint(err, "create it beforehand");
		}
		fd = openat(parent, row->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return err_set(err, -errno, "mount point %s", row->point);
	*ret_fd = fd;
	return 0;
}

static int mount_row(int parent, const struct mount_row *row, bool has_tty_group, int *ret_mount,
		     struct err *err)
{
	auto_close int place = -1;
	int r;

	r = open_place(parent, row, &place, err);
	if (r < 0)
		return r;
	r = mount_new(place, row, has_tty_group, ret_mount);
	if (r == -EPERM && row->is_optional)
		return 0;
	if (r < 0)
		return mounts_explain(row->type, row->point, r, err);
	return 0;
}

/* Device nodes cannot be made in a user namespace; those of the host can be mounted over files. */
static int bind_device(int dev, const char *name, struct err *err)
{
	auto_free char *path = mem_printf("/dev/%s", name);
	auto_close int tree = -1;
	auto_close int place = -1;

	tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return err_set(err, -errno, "take %s", path);
	place = openat(dev, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (place < 0)
		return err_set(err, -errno, "create %s", path);
	if (move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(err, -errno, "mount %s", path);
	return 0;
}

static int fill_dev(int dev, struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "pts/ptmx", "ptmx" },
	};
	int r;

	for (size_t i = 0; mount_devices[i]; i++) {
		r = bind_device(dev, mount_devices[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return err_set(err, -errno, "create /dev/%s", links[i][1]);
	return 0;
}

static int mount_rows_all(int root, bool has_tty_group, struct err *err)
{
	auto_close int dev = -1;

	for (const struct mount_row *row = mount_rows; row->name; row++) {
		auto_close int mount = -1;
		int parent = row->place == PLACE_DEV ? dev : root;
		int r;

		r = mount_row(parent, row, has_tty_group, &mount, err);
		if (r == 0 && strcmp(row->point, "/dev") == 0) {
			dev = take_fd(&mount);
			r = fill_dev(dev, err);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int mounts_separate(unsigned long propagation, struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | propagation, NULL) < 0)
		return err_set(err, -errno, "make mounts private");
	return 0;
}

/* pivot_root(2) wants a mount point: the directory becomes one. */
int mounts_bind_root(int *ret_root, struct err *err)
{
	auto_close int root = -1;

	/* Without the mounts below it, the kernel would refuse to show what they cover. */
	root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (root < 0)
		return err_set(err, -errno, "bind");
	if (move_mount(root, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(root) < 0)
		return err_set(err, -errno, "bind");
	*ret_root = take_fd(&root);
	return 0;
}

/* The old root is put on top of the new one, and taken away. */
int mounts_enter_root(struct err *err)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_set(err, -errno, "change the root");
	return 0;
}

static int attach_volumes(const struct volumes *volumes, int root, bool is_making, struct err *err)
{
	if (!volumes || volumes->are_kept)
		return 0;
	return volumes_attach(volumes, root, is_making, err);
}

int mounts_make_root(bool has_tty_group, struct volumes *volumes, struct err *err)
{
	auto_close int root = -1;
	mode_t mask;
	int r;

	r = mounts_separate(MS_PRIVATE, err);
	if (r == 0 && volumes)
		r = volumes_take(volumes, err);
	if (r == 0)
		r = mounts_bind_root(&root, err);
	if (r < 0)
		return r;
	mask = umask(022);
	r = mount_rows_all(root, has_tty_group, err);
	if (r == 0)
		r = attach_volumes(volumes, root, true, err);
	(void)umask(mask);
	if (r < 0)
		return r;
	return mounts_enter_root(err);
}

static bool is_filesystem(int fd, uint64_t magic)
{
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && (uint64_t)fs.f_type == magic;
}

/* What the view does not have, we do not add. A node of /dev/ptmx leads to whatever is on pts
 * beside it. */
static bool is_missing(const struct mount_row *row, int place)
{
	if (strcmp(row->type, "mqueue") == 0)
		return !is_filesystem(place, MQUEUE_MAGIC);
	return strcmp(row->type, "devpts") == 0 && !is_filesystem(place, DEVPTS_MAGIC);
}

static int replace(const struct mount_row *row, struct err *err)
{
	auto_close int mount = -1;
	auto_close int place = open(row->point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (is_missing(row, place))
		return 0;
	if (place < 0)
		return err_set(err, -errno, "open %s", row->point);
	r = mount_new(place, row, false, &mount);
	if (r < 0)
		return mounts_explain(row->type, row->point, r, err);
	return 0;
}

int mounts_make_view(struct volumes *volumes, struct err *err)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = mounts_separate(MS_PRIVATE, err);

	if (r == 0 && volumes)
		r = volumes_take(volumes, err);

	for (const struct mount_row *row = mount_rows; row->name && r == 0; row++)
		if (row->is_in_view)
			r = replace(row, err);
	return r < 0 ? r : attach_volumes(volumes, root, false, err);
}
