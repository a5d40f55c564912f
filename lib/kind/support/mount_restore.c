/* Making mounts. See mount_restore.h. */
#include "kind/support/mount_restore.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/mount_bound.h"
#include "kind/support/mount_make.h"
#include "kind/support/mount_proc.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_record.h"
#include "restore/restore.h"

struct making {
	struct restore *rs;
	const struct record *record;
	struct mount_list list;
	int *roots;	/* owned: an O_PATH descriptor of each mount; -1 */
	bool *is_whole; /* owned: it came with all mounts on it */
	bool is_by_bundle;
};

static void making_free(struct making *making)
{
	for (size_t i = 0; making->roots && i < making->list.count; i++)
		drop_fd(&making->roots[i]);
	free(making->roots);
	free(making->is_whole);
	mount_list_free(&making->list);
}

static int open_below(int dir, const char *path, uint64_t resolve)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve,
	};

	if (*path == '\0')
		return fcntl(dir, F_DUPFD_CLOEXEC, 0);
	return sys_openat2(dir, path, &how);
}

/* ---- what is there ---- */

static bool is_mount_root(int fd)
{
	struct statx stat;

	return statx(fd, "", AT_EMPTY_PATH, 0, &stat) == 0 &&
	       stat.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

static int find_there(struct making *making, size_t n, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	int fd = open_below(AT_FDCWD, entry->point, 0);

	/* What a bundle does not make on this host, nobody has missed. */
	if (fd < 0 && making->is_by_bundle && !entry->content)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "find mount %s", entry->point);
	making->roots[n] = fd;
	/* A host that has no mount there has a directory; it takes no attributes of its own. */
	if ((entry->flags & MOUNT_CHANGED || entry->content) && !is_mount_root(fd))
		return err_set(err, ERR_FAILED, "mount %s is not there", entry->point);
	return 0;
}

static int detach(int mount)
{
	if (fchdir(mount) < 0 || umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

/* By its path: the current directory can only be a directory. */
static int take_away(const char *point, struct err *err)
{
	auto_close int place = open_below(AT_FDCWD, point, 0);

	if (place < 0 || !is_mount_root(place))
		return 0;
	if (umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return err_set(err, -errno, "unmount %s", point);
	return 0;
}

static int find_all(struct making *making, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < making->list.count; i++) {
		if (making->list.entries[i].how == MOUNT_GONE)
			r = take_away(making->list.entries[i].point, err);
	}
	for (size_t i = 0; r == 0 && i < making->list.count; i++) {
		if (making->list.entries[i].how == MOUNT_THERE)
			r = find_there(making, i, err);
	}
	return r;
}

/* ---- trees ---- */

/* Through a mount of their own: files that are still open for writing would keep the one that the
 * container sees from becoming read-only. */
static int fill(struct making *making, size_t n, int mount, const char *place, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	const struct record *tree = image_find(making->rs->image, TAG_TREE, entry->content);
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	auto_close int twin = -1;
	auto_close int dir = -1;
	int r;

	if (!tree)
		return 0;
	twin = open_tree(mount, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (twin < 0)
		return err_set(err, -errno, "copy the mount");
	/* A bundle's may be read-only already. */
	(void)mount_setattr(twin, "", AT_EMPTY_PATH, &writable, sizeof(writable));
	r = mount_make_path(twin, entry->root, &dir, err);
	if (r < 0)
		return r;
	return tree_restore(making->rs, tree, dir, place, err);
}

/* The kernel lets nobody change the options of a file system that is not of his user namespace, not
 * even to what they are: what is filled is never the host's. */
static int fill_there(struct making *making, size_t n, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	struct statfs fs;
	int r = fstatfs(making->roots[n], &fs) < 0 ? -errno : 0;

	if (r == 0 && fs.f_type != TMPFS_MAGIC)
		r = -ESTALE;
	if (r == 0 && !making->is_by_bundle)
		r = mount_change_options(making->roots[n], entry->options);
	if (r < 0)
		return err_set(err, r, "set options %s", entry->options);
	return fill(making, n, making->roots[n], entry->point, err);
}

/* ---- new mounts ---- */

/* Where it is to be: the parent's own directory or file, whatever is mounted on others. */
static int open_point(const struct making *making, size_t n, int *ret_fd, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	int parent = making->roots[entry->parent ? entry->parent - 1 : 0];
	int fd;

	if (entry->flags & MOUNT_ROOT)
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else
		fd = open_below(parent, entry->point, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (fd < 0) {
		(void)err_set(err, -errno, "find the mount point");
		return err_hint(err, "it must be there, in a real directory, in the root directory "
				     "of the container");
	}
	*ret_fd = fd;
	return 0;
}

static int attach(int mount, int point, struct err *err)
{
	if (move_mount(mount, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(err, -errno, "mount");
	return 0;
}

/* Only the directory `entry->root` of it stays. */
static int narrow(const struct mount_entry *entry, int point, int *mount, struct err *err)
{
	auto_close int part = -1;
	auto_close int dir = -1;
	int r;

	if (entry->root[0] == '\0')
		return 0;
	dir = open_below(*mount, entry->root, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (dir >= 0)
		part = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (part < 0)
		return err_set(err, -errno, "take %s", entry->root);
	r = detach(*mount);
	if (r < 0)
		return err_set(err, r, "take %s", entry->root);
	drop_fd(mount);
	*mount = take_fd(&part);
	return attach(*mount, point, err);
}

static int make_filesystem(struct making *making, size_t n, int point, int *mount, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	auto_free char *place = mount_list_place(&making->list, n);
	int r = mount_new(entry->type, entry->device, entry->options, mount, err);

	if (r == 0)
		r = attach(*mount, point, err);
	if (r == 0)
		r = fill(making, n, *mount, place, err);
	if (r == 0)
		r = narrow(entry, point, mount, err);
	return r;
}

/* With all mounts on it where it must be: what is locked there would otherwise be uncovered. */
static int make_bind(struct making *making, size_t n, int point, int *mount, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	auto_close int source = -1;

	source = open_below(making->roots[entry->source - 1], entry->root,
			    RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (source < 0)
		return err_set(err, -errno, "find its source %s", entry->root);
	*mount = open_tree(source, "", flags);
	if (*mount < 0 && errno == EINVAL) {
		making->is_whole[n] = true;
		*mount = open_tree(source, "", flags | AT_RECURSIVE);
	}
	if (*mount < 0)
		return err_set(err, -errno, "take its source %s", entry->root);
	return attach(*mount, point, err);
}

static const struct volume *find_volume(const struct making *making, size_t n)
{
	const struct volumes *volumes = making->rs->own->volumes;
	auto_free char *place = mount_list_place(&making->list, n);

	for (size_t i = 0; volumes && i < volumes->count; i++) {
		if (strcmp(volumes->list[i].point, place) == 0)
			return &volumes->list[i];
	}
	return NULL;
}

static int make_named(struct making *making, size_t n, int point, int *mount, struct err *err)
{
	const struct volume *volume = find_volume(making, n);

	if (!volume)
		return err_set(err, ERR_REFUSED, "it is of the host, and nobody has named it");
	*mount = fcntl(volume->tree, F_DUPFD_CLOEXEC, 0);
	if (*mount < 0)
		return err_set(err, -errno, "take volume %s", volume->source);
	making->is_whole[n] = true;
	if (volume->is_read_only)
		making->list.entries[n].attributes |= MOUNT_ATTR_RDONLY;
	return attach(*mount, point, err);
}

/* One that came with its parent. */
static bool is_along(struct making *making, size_t n)
{
	const struct mount_entry *entry = &making->list.entries[n];
	auto_close int fd = -1;

	if ((entry->how != MOUNT_BIND && entry->how != MOUNT_NAMED) || !entry->parent ||
	    !making->is_whole[entry->parent - 1])
		return false;
	fd = open_below(making->roots[entry->parent - 1], entry->point, RESOLVE_BENEATH);
	if (fd < 0 || entry->point[0] == '\0' || !is_mount_root(fd))
		return false;
	making->roots[n] = take_fd(&fd);
	making->is_whole[n] = true;
	return true;
}

static int make_mount(struct making *making, size_t n, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	auto_close int mount = -1;
	auto_close int point = -1;
	int r;

	if (entry->how == MOUNT_THERE)
		return entry->content ? fill_there(making, n, err) : 0;
	if (entry->how == MOUNT_GONE || is_along(making, n))
		return 0;
	r = open_point(making, n, &point, err);
	if (r < 0)
		return r;
	if (mount_proc_is_late(entry))
		return mount_proc_keep(making->rs, making->record, take_fd(&point), err);
	if (entry->how == MOUNT_FILESYSTEM)
		r = make_filesystem(making, n, point, &mount, err);
	else if (entry->how == MOUNT_BIND)
		r = make_bind(making, n, point, &mount, err);
	else
		r = make_named(making, n, point, &mount, err);
	making->roots[n] = take_fd(&mount);
	return r;
}

/* ---- what all mounts have ---- */

static int set_attributes(struct making *making, size_t n, const char *place, struct err *err)
{
	const struct mount_entry *entry = &making->list.entries[n];
	bool is_stricter = false;
	int r;

	if (entry->how == MOUNT_GONE || mount_proc_is_late(entry) ||
	    (entry->how == MOUNT_THERE && !(entry->flags & MOUNT_CHANGED)))
		return 0;
	r = mount_set_attributes(making->roots[n], entry->attributes, &is_stricter);
	if (r < 0)
		return err_set(err, r, "set attributes");
	if (is_stricter)
		restore_note(making->rs, "mount %s keeps restrictions that it did not have", place);
	return 0;
}

static int enter_root(struct making *making, struct err *err)
{
	for (size_t i = 0; i < making->list.count; i++) {
		if (!(making->list.entries[i].flags & MOUNT_ROOT))
			continue;
		if (fchdir(making->roots[i]) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
		    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
			return err_set(err, -errno, "change the root");
	}
	return 0;
}

/* Attributes when all is in place, propagation when nothing is mounted any more. */
static int make_all(struct making *making, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < making->list.count; i++) {
		auto_free char *place = mount_list_place(&making->list, i);

		r = make_mount(making, i, err);
		if (r < 0)
			return err_wrap(err, "mount %s", place);
	}
	for (size_t i = 0; r == 0 && i < making->list.count; i++) {
		auto_free char *place = mount_list_place(&making->list, i);

		r = set_attributes(making, i, place, err);
		if (r < 0)
			return err_wrap(err, "mount %s", place);
	}
	if (r == 0)
		r = enter_root(making, err);
	return r < 0 ? r : mount_set_propagation(&making->list, making->roots, err);
}

static void note_losses(const struct making *making)
{
	size_t followed = 0;

	for (size_t i = 0; i < making->list.count; i++)
		followed += (making->list.entries[i].flags & MOUNT_FOLLOWED) != 0;
	if (followed > 0 && !making->is_by_bundle)
		restore_note(making->rs,
			     "what is mounted outside of the container does not show on %zu of its "
			     "mounts any more",
			     followed);
}

int mount_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct bound *bound = plan_facts(rs->plan)->bound;
	auto_with(making_free) struct making making = {
		.rs = rs,
		.record = record,
		.is_by_bundle = bound && !image_find(rs->image, TAG_NAMESPACE, record->id),
	};
	mode_t mask;
	int r = mount_list_read(record->body, record->length, &making.list, err);

	if (r < 0)
		return r;
	if (making.is_by_bundle)
		mount_list_apply(&making.list, bound);
	making.roots = mem_alloc(making.list.count + 1, sizeof(*making.roots));
	making.is_whole = mem_alloc(making.list.count + 1, sizeof(*making.is_whole));
	for (size_t i = 0; i < making.list.count; i++)
		making.roots[i] = -1;
	mask = umask(0);
	r = find_all(&making, err);
	if (r == 0)
		r = make_all(&making, err);
	(void)umask(mask);
	if (r == 0)
		note_losses(&making);
	return r;
}
