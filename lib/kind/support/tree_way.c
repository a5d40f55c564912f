/* What is there already where files are made again: it stays, or goes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/tree_making.h"

/* A shelf is ours; or an earlier restore has left it, and nobody knows what is to become of it. */
static bool is_known(const struct making *making, uint32_t number, const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || tree_shelf_is_name(name) ||
	       tree_index_find(making->index, number, name, strlen(name));
}

int tree_remove_unknown(struct making *making, const struct level *level, struct err *err)
{
	int fd = openat(level->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!list)
		return tree_making_fail(making, level->number, "read", err);
	while ((entry = readdir(list))) {
		int r =
		    is_known(making, level->number, entry->d_name)
			? 0
			: tree_shelf_move(&making->shelf, level->shelf_number, fd, entry->d_name);

		if (r < 0)
			return err_set(err, r, "remove %s/%s", making->place, entry->d_name);
	}
	return 0;
}

/* What is there under this name already stays if it is of the same type: a mount may be on it. */
static int clear_name(int dir, const char *name, mode_t mode)
{
	struct stat stat;

	if (fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if ((stat.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISREG(mode) || S_ISDIR(mode)))
		return 0;
	return unlinkat(dir, name, S_ISDIR(stat.st_mode) ? AT_REMOVEDIR : 0);
}

/* An engine's file stays; of a saved one that had something in it, that is said. */
static bool stays(struct making *making, int dir, const char *name, const struct tree_entry *entry)
{
	mode_t mode = le32_get(entry->rec->mode);
	struct stat stat;

	if (fstatat(dir, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (S_ISDIR(mode) && S_ISDIR(stat.st_mode)))
		return false;
	making->kept += S_ISREG(mode) && le64_get(entry->rec->size) > 0;
	return true;
}

/* In a root directory: directories stay; all else is made anew, and not written to: it may have
 * other names, or be in use. */
static int clear_in_root(struct making *making, const struct level *level, const char *name,
			 const struct tree_entry *entry, bool *ret_stays)
{
	mode_t mode = le32_get(entry->rec->mode);
	struct stat stat;
	bool is_there = fstatat(level->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0;

	if (is_there && S_ISDIR(mode) && S_ISDIR(stat.st_mode))
		return 0;
	*ret_stays = is_there && S_ISREG(mode) && S_ISREG(stat.st_mode) &&
		     le32_get(entry->rec->flags) & TREE_ON_WAY;
	if (*ret_stays)
		return 0;
	errno =
	    is_there ? -tree_shelf_move(&making->shelf, level->shelf_number, level->fd, name) : 0;
	*ret_stays = S_ISCHR(mode); /* it is gone: that is all */
	return errno == 0 ? 0 : -1;
}

int tree_clear_place(struct making *making, const struct level *level, const char *name,
		     const struct tree_entry *entry, bool *ret_stays)
{
	*ret_stays = false;
	if (making->adds) {
		*ret_stays = stays(making, level->fd, name, entry);
		return 0;
	}
	return making->index ? clear_in_root(making, level, name, entry, ret_stays)
			     : clear_name(level->fd, name, le32_get(entry->rec->mode));
}

static bool has_entry(const struct tree_walk *walk, const char *name)
{
	struct tree_walk rest;
	struct tree_entry entry;
	struct err ignored;
	int r =
	    tree_begin(walk->body, (size_t)(walk->reader.end - (const unsigned char *)walk->body),
		       &rest, &ignored);

	while (r > 0 && (r = tree_next(&rest, &entry, &ignored)) > 0) {
		if (le32_get(entry.rec->parent) == 1 && entry.name_length == strlen(name) &&
		    memcmp(entry.name, name, entry.name_length) == 0)
			return true;
	}
	return false;
}

int tree_remove_others(const struct making *making, int dir, const struct tree_walk *walk,
		       struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!list)
		return err_set(err, -errno, "read %s", making->place);
	while ((entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    has_entry(walk, entry->d_name))
			continue;
		/* Under a mount of a bundle, it stays. */
		if (unlinkat(fd, entry->d_name, 0) < 0 && errno != EBUSY &&
		    (errno != EISDIR || unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0) &&
		    errno != EBUSY)
			return err_set(err, -errno, "remove %s/%s", making->place, entry->d_name);
	}
	return 0;
}
