/* The root and the mounts of a bundle, made by the container's first task. See bundle.h. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "container/mounts.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/mount_make.h"
#include "oci/bundle.h"
#include "oci/bundle_place.h"
#include "oci/runtime.h"
#include "restore/restore.h"

const char *const bundle_nodes[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };

struct making {
	struct bundle_mounts *mounts;
	const struct oci_config *config;
	struct restore *rs;
	int root;
	int *read_only; /* owned: mounts that are filled first */
	size_t read_only_count;
};

static void making_free(struct making *making)
{
	for (size_t i = 0; i < making->read_only_count; i++)
		drop_fd(&making->read_only[i]);
	free(making->read_only);
	drop_fd(&making->root);
}

/* ---- parts of the host ---- */

static int set_propagation(int mount, uint64_t propagation, bool is_deep, struct err *err)
{
	struct mount_attr change = { .propagation = propagation };

	/* There is nothing that it could be the slave of: all is separate already. */
	if (propagation != MS_SHARED && propagation != MS_UNBINDABLE)
		return 0;
	if (mount_setattr(mount, "", AT_EMPTY_PATH | (is_deep ? AT_RECURSIVE : 0), &change,
			  sizeof(change)) < 0)
		return err_set(err, -errno, "set propagation");
	return 0;
}

static int make_bind(struct making *making, const struct oci_mount *mount,
		     const struct mount_wish *wish, struct err *err)
{
	const char *dir = making->mounts->bundle->dir;
	auto_free char *source = mount->source[0] == '/' ? mem_string(mount->source)
							 : mem_printf("%s/%s", dir, mount->source);
	auto_close int tree = -1;
	auto_close int place = -1;
	struct stat stat;
	int r = place_take(AT_FDCWD, source, wish->is_deep, &tree, err);

	if (r == 0)
		r = place_restrict(tree, wish->attributes, false, err);
	if (r == 0 && wish->deep_attributes)
		r = place_restrict(tree, wish->deep_attributes, true, err);
	if (r == 0)
		r = set_propagation(tree, wish->propagation, wish->is_deep, err);
	if (r == 0 && fstat(tree, &stat) < 0)
		r = err_set(err, -errno, "look at %s", source);
	if (r == 0)
		r = place_make(making->root, mount->point, S_ISDIR(stat.st_mode), &place, err);
	return r < 0 ? r : place_attach(tree, place, err);
}

/* ---- new file systems ---- */

/* Without a group for terminals that nobody in the container could have. */
static char *options_of(const struct making *making, const char *type, const char *data)
{
	auto_buf struct buf kept = BUF_EMPTY;
	size_t count;
	const struct id_map *map = plan_gid_map(making->rs->plan, &count);
	size_t length;

	(void)buf_append(&kept, NULL, 0);
	for (; *data; data += length + (data[length] == ',')) {
		const char *at = data;
		uint64_t gid;
		bool is_known = true;

		length = strcspn(data, ",");
		if (strcmp(type, "devpts") == 0 && scan_text(&at, "gid=") &&
		    scan_number(&at, 10, UINT32_MAX, &gid)) {
			is_known = false;
			for (size_t i = 0; i < count; i++)
				is_known |=
				    gid >= map[i].inside && gid - map[i].inside < map[i].count;
		}
		if (is_known)
			buf_printf(&kept, "%s%.*s", kept.size ? "," : "", (int)length, data);
	}
	return take_ptr(kept.data);
}

/* Read-only when all is in it: files of the image, and mount points. */
static int attach_new(struct making *making, const char *point, const struct mount_wish *wish,
		      int mount, struct err *err)
{
	uint64_t attributes = wish->attributes & ~(uint64_t)MOUNT_ATTR_RDONLY;
	auto_close int place = -1;
	int r = place_restrict(mount, attributes, false, err);

	if (r == 0)
		r = set_propagation(mount, wish->propagation, false, err);
	if (r == 0)
		r = place_make(making->root, point, true, &place, err);
	if (r == 0)
		r = place_attach(mount, place, err);
	if (r < 0 || attributes == wish->attributes)
		return r;
	array_grow(making->read_only, making->read_only_count);
	making->read_only[making->read_only_count] = fcntl(mount, F_DUPFD_CLOEXEC, 0);
	return making->read_only[making->read_only_count++] < 0
		   ? err_set(err, -errno, "duplicate a descriptor")
		   : 0;
}

static int make_new(struct making *making, const struct oci_mount *mount,
		    const struct mount_wish *wish, struct err *err)
{
	auto_free char *options = options_of(making, mount->type, wish->data);
	auto_close int fd = -1;
	int r =
	    mount_new(mount->type, mount->source ? mount->source : mount->type, options, &fd, err);

	if (r == -EPERM && strcmp(mount->type, "sysfs") == 0) {
		restore_note(making->rs, "mount %s: the host does not let a new one be made",
			     mount->point);
		return 0;
	}
	if (r == -EPERM)
		return mounts_explain(mount->type, mount->point, r, err);
	return r < 0 ? r : attach_new(making, mount->point, wish, fd, err);
}

/* ---- cgroups ---- */

/* "rw,cpu,cpuacct": which hierarchy it is. */
static const char *controllers_of(const struct mountinfo *mount)
{
	const char *at = mount->super;

	return scan_text(&at, "rw,") || scan_text(&at, "ro,") ? at : NULL;
}

static int make_hierarchy(struct making *making, const char *point, const struct mountinfo *mount,
			  const struct mount_wish *wish)
{
	bool is_v1 = strcmp(mount->type, "cgroup") == 0;
	const char *controllers = is_v1 ? controllers_of(mount) : "";
	const char *name = strrchr(mount->point, '/');
	auto_free char *below = mem_printf("%s%s", point, name ? name : "/");
	struct err ignored = ERR_NONE;
	auto_close int fd = -1;
	int r;

	if (!controllers)
		return -EINVAL;
	r = mount_new(mount->type, "cgroup", controllers, &fd, &ignored);
	return r < 0 ? r : attach_new(making, below, wish, fd, &ignored);
}

/* Version 1: one file system for each hierarchy that the host has mounted. */
static int make_hierarchies(struct making *making, const struct oci_mount *mount,
			    const struct mount_wish *wish, struct err *err)
{
	struct mountinfo *mounts = NULL;
	size_t count = 0;
	size_t missing = 0;
	auto_close int fd = -1;
	int r = mountinfo_read(AT_FDCWD, "/proc/self/mountinfo", &mounts, &count, err);

	if (r == 0)
		r = mount_new("tmpfs", "tmpfs", "mode=755", &fd, err);
	if (r == 0)
		r = attach_new(making, mount->point, wish, fd, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (strncmp(mounts[i].type, "cgroup", 6) == 0 &&
		    strncmp(mounts[i].point, "/sys/fs/cgroup/", 15) == 0)
			missing += make_hierarchy(making, mount->point, &mounts[i], wish) < 0;
	}
	if (missing > 0)
		restore_note(making->rs, "mount %s: %zu hierarchies could not be mounted",
			     mount->point, missing);
	mountinfo_free(mounts, count);
	return r;
}

static int make_cgroup(struct making *making, const struct oci_mount *mount,
		       const struct mount_wish *wish, struct err *err)
{
	const struct oci_mount second = { .point = mount->point,
					  .type = (char[]){ "cgroup2" },
					  .source = mount->source };
	const struct mount_wish plain = { .attributes = wish->attributes,
					  .propagation = wish->propagation,
					  .data = (char[]){ "" } };
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
		return make_new(making, &second, &plain, err);
	return make_hierarchies(making, mount, &plain, err);
}

static int make_mount(struct making *making, const struct oci_mount *mount, struct err *err)
{
	auto_with(mount_wish_free) struct mount_wish wish = { .data = NULL };
	int r = mount_wish_read(mount, &wish, err);

	if (r < 0)
		return r;
	if (wish.is_bind)
		return make_bind(making, mount, &wish, err);
	if (strncmp(mount->type, "cgroup", 6) == 0)
		return make_cgroup(making, mount, &wish, err);
	return make_new(making, mount, &wish, err);
}

static int make_mounts(struct making *making, struct err *err)
{
	for (size_t i = 0; i < making->config->mount_count; i++) {
		const struct oci_mount *mount = &making->config->mounts[i];
		int r = make_mount(making, mount, err);

		if (r < 0)
			return err_wrap(err, "mount %s", mount->point);
	}
	return 0;
}

/* ---- devices ---- */

/* Nodes cannot be made in a user namespace; those of the host can be mounted over files. */
static int bind_node(const struct making *making, const char *source, const char *point,
		     struct err *err)
{
	auto_close int tree = -1;
	auto_close int place = -1;
	int r = place_take(AT_FDCWD, source, false, &tree, err);

	if (r == 0)
		r = place_make(making->root, point, false, &place, err);
	return r < 0 ? r : place_attach(tree, place, err);
}

static bool is_node(const char *path, const struct oci_device *device)
{
	struct stat stat;

	return lstat(path, &stat) == 0 &&
	       (device->type == 'b' ? S_ISBLK(stat.st_mode) : S_ISCHR(stat.st_mode)) &&
	       stat.st_rdev == makedev(device->major, device->minor);
}

static int make_device(const struct making *making, const struct oci_device *device,
		       struct err *err)
{
	auto_free char *link = mem_printf("/dev/%s/%u:%u", device->type == 'b' ? "block" : "char",
					  device->major, device->minor);
	auto_free char *found = realpath(link, NULL);

	if (device->type == 'p')
		return err_set(err, ERR_REFUSED, "a fifo as a device is not supported");
	if (is_node(device->path, device))
		return bind_node(making, device->path, device->path, err);
	if (found && is_node(found, device))
		return bind_node(making, found, device->path, err);
	return err_set(err, ERR_HOST, "this host has no node of %c %u:%u", device->type,
		       device->major, device->minor);
}

static bool is_usual(const char *path)
{
	const char *name = path;

	if (!scan_text(&name, "/dev/"))
		return false;
	for (size_t i = 0; bundle_nodes[i]; i++) {
		if (strcmp(bundle_nodes[i], name) == 0)
			return true;
	}
	return false;
}

/* One of the host's has all that it should. */
static bool has_host_dev(const struct oci_config *config)
{
	bool is_bind = false;

	for (size_t i = 0; i < config->mount_count; i++) {
		struct err ignored;
		struct mount_wish wish;

		if (strcmp(config->mounts[i].point, "/dev") != 0 ||
		    mount_wish_read(&config->mounts[i], &wish, &ignored) < 0)
			continue;
		is_bind = wish.is_bind;
		mount_wish_free(&wish);
	}
	return is_bind;
}

static int make_links(const struct making *making, struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "pts/ptmx", "ptmx" },
	};
	auto_close int dev = -1;
	int r = place_make(making->root, "/dev", true, &dev, err);

	for (size_t i = 0; r == 0 && i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i][0], dev, links[i][1]) < 0 && errno != EEXIST)
			r = err_set(err, -errno, "create /dev/%s", links[i][1]);
	}
	return r;
}

static int make_devices(const struct making *making, struct err *err)
{
	const struct oci_config *config = making->config;
	int r = 0;

	if (!has_host_dev(config)) {
		for (size_t i = 0; r == 0 && bundle_nodes[i]; i++) {
			auto_free char *path = mem_printf("/dev/%s", bundle_nodes[i]);

			r = bind_node(making, path, path, err);
		}
		if (r == 0)
			r = make_links(making, err);
	}
	for (size_t i = 0; r == 0 && i < config->device_count; i++) {
		if (is_usual(config->devices[i].path))
			continue;
		r = make_device(making, &config->devices[i], err);
		if (r < 0)
			return err_wrap(err, "device %s", config->devices[i].path);
	}
	return r;
}

/* ---- what is hidden ---- */

static int mask(const struct making *making, const char *path, struct err *err)
{
	auto_close int place = place_open(making->root, path);
	auto_close int cover = -1;
	struct stat stat;
	int r = 0;

	if (place == -ENOENT || place == -ENOTDIR)
		return 0;
	if (place < 0 || fstat(place, &stat) < 0)
		return err_set(err, place < 0 ? place : -errno, "find it");
	if (S_ISDIR(stat.st_mode))
		r = mount_new("tmpfs", "tmpfs", "size=4k,mode=755", &cover, err);
	else
		r = place_take(AT_FDCWD, "/dev/null", false, &cover, err);
	if (r == 0 && S_ISDIR(stat.st_mode))
		r = place_restrict(cover, MOUNT_ATTR_RDONLY, false, err);
	return r < 0 ? r : place_attach(cover, place, err);
}

static int make_read_only(const struct making *making, const char *path, struct err *err)
{
	auto_close int place = place_open(making->root, path);
	auto_close int again = -1;
	int r;

	if (place == -ENOENT || place == -ENOTDIR)
		return 0;
	if (place < 0)
		return err_set(err, place, "find it");
	r = place_take(place, "", true, &again, err);
	if (r == 0)
		r = place_restrict(again, MOUNT_ATTR_RDONLY, false, err);
	return r < 0 ? r : place_attach(again, place, err);
}

static int hide(struct making *making, struct err *err)
{
	const struct oci_config *config = making->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < making->read_only_count; i++)
		r = place_restrict(making->read_only[i], MOUNT_ATTR_RDONLY, false, err);
	if (r == 0 && config->is_rootfs_read_only)
		r = place_restrict(making->root, MOUNT_ATTR_RDONLY, false, err);
	for (size_t i = 0; r == 0 && i < config->read_only.count; i++) {
		r = make_read_only(making, config->read_only.list[i], err);
		if (r < 0)
			return err_wrap(err, "read-only path %s", config->read_only.list[i]);
	}
	for (size_t i = 0; r == 0 && i < config->masked.count; i++) {
		r = mask(making, config->masked.list[i], err);
		if (r < 0)
			return err_wrap(err, "masked path %s", config->masked.list[i]);
	}
	return r;
}

/* ---- the whole ---- */

static int make_all(struct making *making, struct err *err)
{
	const char *propagation = making->config->propagation;
	bool is_slave = propagation && strstr(propagation, "slave");
	struct err ignored;
	int r = mounts_separate(is_slave ? MS_SLAVE : MS_PRIVATE, err);

	if (r == 0)
		r = mounts_bind_root(&making->root, err);
	if (r == 0)
		r = make_mounts(making, err);
	if (r == 0)
		r = make_devices(making, err);
	if (r < 0)
		return r;
	/* While none is covered: where one is, the kernel allows no other. */
	(void)mount_new("proc", "proc", "", &making->mounts->proc, &ignored);
	r = runtime_inside(making->mounts->runtime, OCI_CREATE_CONTAINER, err);
	if (r == 0)
		r = hide(making, err);
	return r < 0 ? r : mounts_enter_root(err);
}

int bundle_make_root(void *argument, struct err *err)
{
	struct bundle_mounts *mounts = argument;
	auto_with(making_free) struct making making = {
		.mounts = mounts,
		.config = mounts->bundle->config,
		.rs = mounts->rs,
		.root = -1,
	};
	mode_t mode = umask(022);
	int r = make_all(&making, err);

	(void)umask(mode);
	return r;
}

/* ---- later ---- */

static int set_sysctl(int proc, const struct oci_pair *sysctl, struct err *err)
{
	auto_free char *path = mem_printf("sys/%s", sysctl->key);
	size_t length = strlen(sysctl->value);
	auto_close int fd = -1;

	for (char *at = path; *at; at++)
		*at = *at == '.' ? '/' : *at;
	fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, sysctl->value, length) != (ssize_t)length)
		return err_set(err, -errno, "set sysctl %s to %s", sysctl->key, sysctl->value);
	return 0;
}

/* The terminal is in the container's devpts by now. */
static int bind_console(const struct bundle_mounts *mounts, struct err *err)
{
	int master = mounts->rs->own->shared->console;
	struct making making = { .root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	auto_close int root = making.root;
	auto_free char *path = NULL;
	unsigned int number;

	if (!mounts->bundle->config->has_terminal || master < 0)
		return 0;
	if (root < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return err_set(err, -errno, "ask a terminal for its number");
	path = mem_printf("/dev/pts/%u", number);
	return bind_node(&making, path, "/dev/console", err);
}

int bundle_settle(const struct bundle_mounts *mounts, struct err *err)
{
	const struct oci_pairs *sysctls = &mounts->bundle->config->sysctls;
	int r = bind_console(mounts, err);

	for (size_t i = 0; r == 0 && i < sysctls->count; i++)
		r = set_sysctl(mounts->proc, &sysctls->list[i], err);
	return r < 0 ? r : runtime_inside(mounts->runtime, OCI_START_CONTAINER, err);
}
