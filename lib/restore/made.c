/* What a restore that fails must not leave: files that it has made under names of the container's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "restore/restore.h"

/* The path follows, with its NUL. Inode 0: a directory that may have been made, and is empty then.
 */
struct made {
	uint64_t device;
	uint64_t inode;
};

enum { NAME_SIZE = 64 }; /* more than the name of such a directory */

static char *list_of(const struct restore_private *own)
{
	return (char *)&own->shared->objects[own->shared->capacity];
}

size_t restore_made_room(const struct image *image)
{
	/* Every path is in a record of its own, and twice more that of a directory beside it. */
	return 3 * (image->metadata_size + image->record_count * (sizeof(struct made) + NAME_SIZE));
}

static void add(struct restore *rs, const char *path, struct made made)
{
	struct restore_shared *shared = rs->own->shared;
	size_t size = strlen(path) + 1;
	char *end = list_of(rs->own) + shared->made_size;

	if (shared->made_size + sizeof(made) + size > restore_made_room(rs->own->image))
		return;
	memcpy(end, &made, sizeof(made));
	memcpy(end + sizeof(made), path, size);
	shared->made_size += sizeof(made) + size;
}

void restore_made(struct restore *rs, const char *path, const struct stat *st)
{
	add(rs, path, (struct made){ .device = st->st_dev, .inode = st->st_ino });
}

void restore_making_directory(struct restore *rs, const char *path)
{
	add(rs, path, (struct made){ .inode = 0 });
}

/* What is still in a directory of ours. */
static void empty(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
}

/* If it is still the same. */
static void take_away(int root, const struct made *made, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const char *name = strrchr(path, '/') + 1;
	auto_free char *parent = mem_copy(path, (size_t)(name - path));
	auto_close int dir = sys_openat2(root, parent, &how);
	struct stat st;

	if (dir >= 0 && made->inode == 0)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_dev != made->device || st.st_ino != made->inode)
		return;
	if (S_ISDIR(st.st_mode))
		empty(dir, name);
	(void)unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

void restore_undo_at(const struct restore *rs, int root)
{
	const char *at = list_of(rs->own);
	const char *end = at + rs->own->shared->made_size;

	while (at < end) {
		struct made made;

		memcpy(&made, at, sizeof(made));
		at += sizeof(made);
		take_away(root, &made, at);
		at += strlen(at) + 1;
	}
	rs->own->shared->made_size = 0;
}

void restore_undo_here(const struct restore *rs)
{
	if (rs->own->root.dir >= 0)
		restore_undo_at(rs, rs->own->root.dir);
}

bool restore_undo(const struct restore *rs, pid_t init)
{
	auto_close int root = -1;
	char path[64];

	if (!rs->own || !rs->own->shared || rs->own->shared->made_size == 0)
		return true;
	if (init <= 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		restore_undo_at(rs, root);
	return root >= 0;
}
