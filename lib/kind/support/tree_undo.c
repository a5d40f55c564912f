/* What was done to a root directory is undone, from the end of its journal, or stays. See
 * tree_shelf.h. Others may have changed something meanwhile: what is not the same file any more is
 * theirs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/tree_clear.h"
#include "kind/support/tree_journal.h"
#include "kind/support/tree_shelf.h"

struct undo_dir {
	const struct tree_step *step; /* its place and name; NULL: the root */
	uint64_t device, inode;
};

struct undoing {
	int root;     /* owned */
	int *shelves; /* owned, each and all; -1: it is not there */
	size_t shelf_count;
	struct buf journal;		/* owned */
	const struct tree_step **steps; /* owned */
	size_t step_count;
	struct undo_dir *dirs; /* owned: by their numbers */
	size_t dir_count;
	uint32_t open_number; /* the directory that was open last */
	int open;	      /* owned; -1: none */
	struct tree_undone *undone;
};

static void undoing_free(struct undoing *undoing)
{
	drop_fd(&undoing->root);
	for (size_t i = 0; i < undoing->shelf_count; i++)
		drop_fd(&undoing->shelves[i]);
	free(undoing->shelves);
	drop_fd(&undoing->open);
	buf_free(&undoing->journal);
	free(undoing->steps);
	free(undoing->dirs);
}

static const char *name_of(const struct tree_step *step)
{
	return (const char *)(step + 1);
}

/* ---- the journal ---- */

static int read_all(int fd, struct buf *text)
{
	char piece[65536];
	ssize_t n;

	do {
		n = pread(fd, piece, sizeof(piece), (off_t)text->size);
		if (n > 0)
			(void)buf_append(text, piece, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static void add_directory(struct undoing *undoing, const struct tree_step *step)
{
	array_grow(undoing->dirs, undoing->dir_count);
	undoing->dirs[undoing->dir_count++] = (struct undo_dir){
		.step = step->deed == TREE_DEED_ROOT ? NULL : step,
		.device = step->device,
		.inode = step->inode,
	};
}

/* Whoever writes it may be killed in the middle of a step: that was not begun. */
static void find_steps(struct undoing *undoing)
{
	const char *at = undoing->journal.data;
	const char *end = at + undoing->journal.size;

	while ((size_t)(end - at) >= sizeof(struct tree_step)) {
		const struct tree_step *step = (const struct tree_step *)(const void *)at;

		if (step->size > (size_t)(end - at))
			return;
		array_grow(undoing->steps, undoing->step_count);
		undoing->steps[undoing->step_count++] = step;
		if (step->deed == TREE_DEED_ROOT || step->deed == TREE_DEED_ENTER ||
		    (step->deed == TREE_DEED_MAKE && step->number > 0))
			add_directory(undoing, step);
		at += step->size;
	}
}

/* ---- directories ---- */

static bool is_same(const struct stat *st, uint64_t device, uint64_t inode)
{
	return st->st_dev == device && st->st_ino == inode;
}

static int open_in(int parent, const struct undo_dir *dir)
{
	bool is_mount;
	struct stat st;
	int fd = tree_open_here(parent, name_of(dir->step), false, &is_mount);

	if (fd >= 0 && (fstat(fd, &st) < 0 || !is_same(&st, dir->device, dir->inode)))
		drop_fd(&fd);
	return fd;
}

/* Borrowed; -1: it is not there any more. */
static int open_directory(struct undoing *undoing, uint32_t number)
{
	auto_free uint32_t *way = NULL;
	size_t depth = 0;
	int fd;

	if (undoing->open >= 0 && undoing->open_number == number)
		return undoing->open;
	for (uint32_t at = number; at > 0; at = undoing->dirs[at].step->dir) {
		array_grow(way, depth);
		way[depth++] = at;
	}
	drop_fd(&undoing->open);
	fd = fcntl(undoing->root, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0 && depth > 0) {
		int inner = open_in(fd, &undoing->dirs[way[--depth]]);

		(void)close(fd);
		fd = inner;
	}
	undoing->open = fd;
	undoing->open_number = number;
	return fd;
}

static void open_shelf(struct undoing *undoing, const struct tree_step *step)
{
	int dir = open_directory(undoing, step->dir);
	bool is_mount;

	array_grow(undoing->shelves, undoing->shelf_count);
	undoing->shelves[undoing->shelf_count++] =
	    dir < 0 ? -1 : tree_open_here(dir, name_of(step), false, &is_mount);
}

static int begin(int root, int journal, struct undoing *undoing)
{
	int r = read_all(journal, &undoing->journal);

	if (r < 0)
		return r;
	find_steps(undoing);
	if (undoing->step_count == 0)
		return 0;
	undoing->root = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (undoing->root < 0)
		return -errno;
	for (size_t i = 0; i < undoing->step_count; i++) {
		if (undoing->steps[i]->deed == TREE_DEED_SHELF)
			open_shelf(undoing, undoing->steps[i]);
	}
	return 0;
}

/* ---- attributes ---- */

static bool is_among(const char *at, size_t size, const char *name)
{
	for (const char *end = at + size; at < end;) {
		int32_t length;

		if (strcmp(at, name) == 0)
			return true;
		at += strlen(at) + 1;
		memcpy(&length, at, sizeof(length));
		at += sizeof(length) + (length > 0 ? (size_t)length : 0);
	}
	return false;
}

static void remove_new_xattrs(int fd, const char *xattrs, size_t xattrs_size)
{
	ssize_t size = flistxattr(fd, NULL, 0);
	auto_free char *names = size > 0 ? mem_alloc((size_t)size, 1) : NULL;

	size = names ? flistxattr(fd, names, (size_t)size) : 0;
	for (const char *at = names; size > 0 && at < names + size; at += strlen(at) + 1) {
		if (!is_among(xattrs, xattrs_size, at))
			(void)fremovexattr(fd, at);
	}
}

static void set_xattr(int fd, const char *name, const char *value, size_t size)
{
	auto_free char *now = mem_alloc(size + 1, 1);

	if (fgetxattr(fd, name, now, size + 1) != (ssize_t)size || memcmp(now, value, size) != 0)
		(void)fsetxattr(fd, name, value, size, 0);
}

static void put_xattrs(int fd, const struct tree_step *step)
{
	const char *at = name_of(step) + step->name_size;
	const char *end = at + step->xattrs_size;

	remove_new_xattrs(fd, at, step->xattrs_size);
	while (at < end) {
		const char *name = at;
		int32_t length;

		at += strlen(at) + 1;
		memcpy(&length, at, sizeof(length));
		at += sizeof(length);
		if (length < 0)
			continue;
		set_xattr(fd, name, at, (size_t)length);
		at += length;
	}
}

static bool put_attributes(int fd, const struct tree_step *step)
{
	bool is_good;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	is_good = (st.st_uid == step->uid && st.st_gid == step->gid) ||
		  fchown(fd, step->uid, step->gid) == 0;
	is_good = ((st.st_mode & 07777) == step->mode || fchmod(fd, step->mode) == 0) && is_good;
	put_xattrs(fd, step);
	(void)futimens(fd, step->times);
	return is_good;
}

/* ---- steps ---- */

static bool take_away(struct undoing *undoing, const struct tree_step *step)
{
	int dir = open_directory(undoing, step->dir);
	struct stat st;

	/* Where they have moved the directory, they may have moved this, too. */
	if (dir < 0)
		return false;
	if (fstatat(dir, name_of(step), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !is_same(&st, step->device, step->inode))
		return true;
	return unlinkat(dir, name_of(step), step->number > 0 ? AT_REMOVEDIR : 0) == 0;
}

static bool put_back(struct undoing *undoing, const struct tree_step *step)
{
	int shelf = step->shelf < undoing->shelf_count ? undoing->shelves[step->shelf] : -1;
	const char *name = name_of(step);
	struct stat st;
	char place[16];
	int dir;

	(void)snprintf(place, sizeof(place), "%u", step->number);
	/* There was one when the step was written. */
	if (shelf < 0)
		return false;
	if (fstatat(shelf, place, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	dir = open_directory(undoing, step->dir);
	if (dir >= 0 && renameat2(shelf, place, dir, name, RENAME_NOREPLACE) == 0)
		return true;
	if (dir >= 0 && errno == EINVAL && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    renameat(shelf, place, dir, name) == 0)
		return true;
	return false;
}

static bool make_again(struct undoing *undoing, const struct tree_step *step)
{
	struct undo_dir *made = &undoing->dirs[step->number];
	int dir = open_directory(undoing, step->dir);
	struct stat st;

	if (dir < 0)
		return false;
	if (mkdirat(dir, name_of(step), 0700) < 0)
		return errno == EEXIST;
	if (fstatat(dir, name_of(step), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	made->device = st.st_dev;
	made->inode = st.st_ino;
	return true;
}

/* ---- shelves ---- */

/* What is moved to it has a number for a name; the list is of these only. */
static bool is_needed(const char *name)
{
	return name[0] >= '0' && name[0] <= '9';
}

/* -ENOTEMPTY: something was left there, and with `keeps` it stays. */
static int clear_shelf(int shelf, bool keeps)
{
	int copy = openat(shelf, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *names = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int r = 0;

	while (names && (entry = readdir(names))) {
		int one = 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, "list") == 0)
			continue;
		one = keeps && is_needed(entry->d_name) ? -ENOTEMPTY
							: tree_clear(shelf, entry->d_name);
		r = r < 0 ? r : one;
	}
	return r < 0 ? r : tree_clear(shelf, "list");
}

/* The directory that it was in is as old afterwards as it was before. */
static int remove_shelf(int dir, const char *name)
{
	struct stat st;

	if (dir < 0)
		return -ENOENT;
	if (fstat(dir, &st) < 0 || unlinkat(dir, name, AT_REMOVEDIR) < 0)
		return -errno;
	(void)futimens(dir, (struct timespec[]){ st.st_atim, st.st_mtim });
	return 0;
}

/* Shelves are taken from the last one to the first. */
static bool end_shelf(struct undoing *undoing, const struct tree_step *step, bool keeps)
{
	int shelf = undoing->shelves[--undoing->shelf_count];
	int r;

	if (shelf < 0)
		return true;
	r = clear_shelf(shelf, keeps);
	(void)close(shelf);
	if (r == 0)
		r = remove_shelf(open_directory(undoing, step->dir), name_of(step));
	if (r < 0)
		(void)snprintf(undoing->undone->shelf, sizeof(undoing->undone->shelf), "%s",
			       name_of(step));
	/* What was left in it is counted already. */
	return r == 0 || (keeps && r == -ENOTEMPTY);
}

static bool undo_step(struct undoing *undoing, const struct tree_step *step)
{
	switch (step->deed) {
	case TREE_DEED_SHELF:
		return end_shelf(undoing, step, true);
	case TREE_DEED_ENTER:
		return put_attributes(open_directory(undoing, step->number), step);
	case TREE_DEED_MAKE:
		return take_away(undoing, step);
	case TREE_DEED_MOVE:
		return put_back(undoing, step);
	default:
		return make_again(undoing, step);
	}
}

#define UNDOING_NONE(to)                                                                           \
	{                                                                                          \
		.root = -1, .open = -1, .undone = (to)                                             \
	}

int tree_shelf_undo(int root, int journal, struct tree_undone *ret_undone)
{
	auto_with(undoing_free) struct undoing undoing = UNDOING_NONE(ret_undone);
	int r = begin(root, journal, &undoing);

	*ret_undone = (struct tree_undone){ .left = 0 };
	if (r < 0 || undoing.step_count == 0)
		return r;
	for (size_t i = undoing.step_count; i-- > 1;)
		ret_undone->left += !undo_step(&undoing, undoing.steps[i]);
	ret_undone->left += !put_attributes(undoing.root, undoing.steps[0]);
	return ftruncate(journal, 0) < 0 ? -errno : 0;
}

int tree_shelf_keep(int root, int journal, struct tree_undone *ret_undone)
{
	auto_with(undoing_free) struct undoing undoing = UNDOING_NONE(ret_undone);
	int r = begin(root, journal, &undoing);

	*ret_undone = (struct tree_undone){ .left = 0 };
	if (r < 0)
		return r;
	for (size_t i = undoing.step_count; i-- > 0;) {
		if (undoing.steps[i]->deed == TREE_DEED_SHELF)
			ret_undone->left += !end_shelf(&undoing, undoing.steps[i], false);
	}
	return ftruncate(journal, 0) < 0 ? -errno : 0;
}
