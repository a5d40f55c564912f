/* Files that a restore has made under names of the container's: what fails leaves none of them. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "restore/restore.h"

/* The path follows, with its NUL. */
struct made {
	uint64_t device;
	uint64_t inode;
};

static char *list_of(const struct restore_private *own)
{
	return (char *)&own->shared->objects[own->shared->capacity];
}

size_t restore_made_room(const struct image *image)
{
	/* Every path is in a record of its own. */
	return image->metadata_size + image->record_count * sizeof(struct made);
}

void restore_made(struct restore *rs, const char *path, const struct stat *st)
{
	struct restore_shared *shared = rs->own->shared;
	struct made made = { .device = st->st_dev, .inode = st->st_ino };
	size_t size = strlen(path) + 1;
	char *end = list_of(rs->own) + shared->made_size;

	if (shared->made_size + sizeof(made) + size > restore_made_room(rs->own->image))
		return;
	memcpy(end, &made, sizeof(made));
	memcpy(end + sizeof(made), path, size);
	shared->made_size += sizeof(made) + size;
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
	auto_close int dir = (int)syscall(SYS_openat2, root, parent, &how, sizeof(how));
	struct stat st;

	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == made->device && st.st_ino == made->inode)
		(void)unlinkat(dir, name, 0);
}

static void undo(const struct restore *rs, int root)
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
		undo(rs, rs->own->root.dir);
}

void restore_undo(const struct restore *rs, pid_t init)
{
	auto_close int root = -1;
	char path[64];

	if (!rs->own || !rs->own->shared || rs->own->shared->made_size == 0 || init <= 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", init);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0)
		undo(rs, root);
}
