/* The mounts of a bundle. See bundle_making.h. */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "container/mounts.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/support/mount_bound.h"
#include "kind/support/mount_make.h"
#include "oci/bundle_making.h"
#include "oci/bundle_place.h"

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
	bool is_deep = wish->is_deep;
	struct stat stat;
	int r = place_take(AT_FDCWD, source, &is_deep, &tree, err);

	if (r == 0 && is_deep && !wish->is_deep)
		restore_note(making->rs,
			     "mount %s: what is mounted in %s comes along, with its options",
			     mount->point, source);
	if (r == 0)
		r = place_restrict(tree, wish->attributes, is_deep && !wish->is_deep, err);
	if (r == 0 && wish->deep_attributes)
		r = place_restrict(tree, wish->deep_attributes, true, err);
	if (r == 0)
		r = set_propagation(tree, wish->propagation, is_deep, err);
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

/* NULL: there is none. Owned. */
static char *memory_options(const struct making *making, const struct oci_mount *mount)
{
	const struct bundle *bundle = making->mounts->bundle;
	auto_free char *point = bundle_resolve(making->root, bundle->rootfs, mount->point);

	return mount_memory_options(making->rs->image, point);
}

static int make_memory(struct making *making, const struct oci_mount *mount,
		       const struct mount_wish *wish, const char *options, struct err *err)
{
	auto_close int fd = -1;
	int r = mount_new("tmpfs", "tmpfs", options, &fd, err);

	restore_note(making->rs, "mount %s: its files are those of the image, not of %s",
		     mount->point, mount->source);
	return r < 0 ? r : attach_new(making, mount->point, wish, fd, err);
}

static int make_mount(struct making *making, const struct oci_mount *mount, struct err *err)
{
	auto_with(mount_wish_free) struct mount_wish wish = { .data = NULL };
	auto_free char *options = NULL;
	int r = mount_wish_read(mount, &wish, err);

	if (r < 0)
		return r;
	options = wish.is_bind ? memory_options(making, mount) : NULL;
	if (options)
		return make_memory(making, mount, &wish, options, err);
	if (wish.is_bind)
		return make_bind(making, mount, &wish, err);
	if (strncmp(mount->type, "cgroup", 6) == 0)
		return make_cgroup(making, mount, &wish, err);
	return make_new(making, mount, &wish, err);
}

int making_mounts(struct making *making, struct err *err)
{
	for (size_t i = 0; i < making->config->mount_count; i++) {
		const struct oci_mount *mount = &making->config->mounts[i];
		int r = make_mount(making, mount, err);

		if (r < 0)
			return err_wrap(err, "mount %s", mount->point);
	}
	return 0;
}
