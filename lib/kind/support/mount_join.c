/* Files in memory for a container of an engine's. See mount_join.h.
 *
 * What is mounted there may also be the host's: whoever wrote the image must not get files made in
 * it by us, who may be root. */
#include "kind/support/mount_join.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_record.h"
#include "restore/restore.h"

/* ---- whose they are ---- */

struct mounts {
	struct mountinfo *list;
	size_t count;
};

static void free_mounts(struct mounts *mounts)
{
	mountinfo_free(mounts->list, mounts->count);
}

static bool is_below(const char *path, const char *dir)
{
	size_t length = dir ? strlen(dir) : 0;

	return length > 1 && strncmp(path, dir, length) == 0 && path[length] == '/';
}

static bool is_own_memory(const struct mounts *host, const struct mountinfo *mount,
			  const char *bundle)
{
	if (strcmp(mount->type, "tmpfs") != 0)
		return false;
	for (size_t i = 0; i < host->count; i++) {
		const struct mountinfo *other = &host->list[i];

		if (other->dev_major == mount->dev_major && other->dev_minor == mount->dev_minor &&
		    !is_below(other->point, bundle))
			return false;
	}
	return true;
}

static int read_mounts(pid_t pid, struct mounts *host, struct mounts *inside, struct err *err)
{
	auto_close int proc = -1;
	int r = procfs_open_pid(pid, &proc, err);

	if (r == 0)
		r = mountinfo_read(AT_FDCWD, "/proc/self/mountinfo", &host->list, &host->count,
				   err);
	return r < 0 ? r : mountinfo_read(proc, "mountinfo", &inside->list, &inside->count, err);
}

int mount_add_joined(pid_t pid, const char *bundle, struct bound *bound, struct err *err)
{
	auto_with(free_mounts) struct mounts host = { .list = NULL };
	auto_with(free_mounts) struct mounts inside = { .list = NULL };
	int r = read_mounts(pid, &host, &inside, err);

	for (size_t i = 0; r == 0 && i < inside.count; i++) {
		bool is_own = is_own_memory(&host, &inside.list[i], bundle);

		bound_add_point(bound, inside.list[i].point, is_own ? BOUND_TMPFS : BOUND_OTHER,
				false);
	}
	return r;
}

int mount_find_own_memory(pid_t pid, const char *bundle, dev_t **ret_devices, size_t *ret_count,
			  struct err *err)
{
	auto_with(free_mounts) struct mounts host = { .list = NULL };
	auto_with(free_mounts) struct mounts inside = { .list = NULL };
	int r = read_mounts(pid, &host, &inside, err);

	for (size_t i = 0; r == 0 && i < inside.count; i++) {
		const struct mountinfo *mount = &inside.list[i];

		if (!is_own_memory(&host, mount, bundle))
			continue;
		array_grow(*ret_devices, *ret_count);
		(*ret_devices)[(*ret_count)++] = makedev(mount->dev_major, mount->dev_minor);
	}
	return r;
}

/* ---- inside ---- */

static bool is_own(const struct restore_private *own, dev_t device)
{
	for (size_t i = 0; i < own->memory_count; i++) {
		if (own->memory[i] == device)
			return true;
	}
	return false;
}

/* -1: what is there is no such file system, or not the container's alone. */
static int open_memory(const struct restore *rs, const char *place)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	auto_close int fd = sys_openat2(AT_FDCWD, place, &how);
	struct statx mount;
	struct statfs fs;
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC ||
	    statx(fd, "", AT_EMPTY_PATH, 0, &mount) < 0 ||
	    !(mount.stx_attributes & STATX_ATTR_MOUNT_ROOT) || !is_own(rs->own, stat.st_dev))
		return -1;
	return take_fd(&fd);
}

/* More than the directory itself, and places for mounts: a file with something in it, or a name
 * that leads somewhere. */
static bool has_files(const struct record *tree)
{
	struct tree_walk walk;
	struct tree_entry entry;
	struct err ignored;
	int r = tree_begin(tree->body, tree->length, &walk, &ignored);

	while (r > 0 && (r = tree_next(&walk, &entry, &ignored)) > 0) {
		if (!S_ISDIR(le32_get(entry.rec->mode)))
			return true;
	}
	return false;
}

/* What is mounted later hides it. */
static bool is_hidden(const struct mount_list *list, size_t n, const char *place)
{
	for (size_t i = n + 1; i < list->count; i++) {
		auto_free char *other = mount_list_place(list, i);

		if (list->entries[i].how != MOUNT_GONE && strcmp(other, place) == 0)
			return true;
	}
	return false;
}

const struct record *mount_joined_files(const struct image *image, const struct mount_list *list,
					size_t n)
{
	uint32_t content = list->entries[n].content;
	const struct record *tree = content ? image_find(image, TAG_TREE, content) : NULL;
	auto_free char *place = mount_list_place(list, n);

	return tree && has_files(tree) && !is_hidden(list, n, place) ? tree : NULL;
}

/* The plan has found one there; what it is now, is looked at again. */
static int fill(struct restore *rs, const struct mount_list *list, size_t n, struct err *err)
{
	const struct record *tree = mount_joined_files(rs->image, list, n);
	auto_free char *place = mount_list_place(list, n);
	auto_close int dir = tree ? open_memory(rs, place) : -1;

	if (!tree)
		return 0;
	if (dir < 0)
		return err_set(err, ERR_REFUSED,
			       "mount %s: the container has no file system in memory of its own "
			       "there any more",
			       place);
	return tree_add(rs, tree, dir, place, err);
}

int mount_join(struct restore *rs, const struct record *record, struct err *err)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	mode_t mask = umask(0);
	int r = mount_list_read(record->body, record->length, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++)
		r = fill(rs, &list, i, err);
	(void)umask(mask);
	return r;
}
