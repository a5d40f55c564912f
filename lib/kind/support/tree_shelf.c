/* What is done to a root directory. See tree_shelf.h; tree_undo.c undoes it. */
#include "kind/support/tree_shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/tree_clear.h"
#include "kind/support/tree_journal.h"

#define PREFIX ".ctckpt-files-"
enum { DIGITS = 16, DEPTH_MAX = 512, VALUE_MAX = 65536 };

struct tree_shelf_one {
	int dir;  /* owned */
	int list; /* owned: a text in it: what is on it, for people */
	dev_t device;
};

/* For the list. */
struct tree_shelf_dir {
	uint32_t parent;
	char *name; /* owned */
};

void tree_shelf_free(struct tree_shelf *shelf)
{
	for (uint32_t i = 0; i < shelf->dir_count; i++)
		free(shelf->dirs[i].name);
	free(shelf->dirs);
	for (uint32_t i = 0; i < shelf->shelf_count; i++) {
		drop_fd(&shelf->shelves[i].dir);
		drop_fd(&shelf->shelves[i].list);
	}
	free(shelf->shelves);
	*shelf = TREE_SHELF_NONE;
}

bool tree_shelf_is_name(const char *name)
{
	const char *number = name + strlen(PREFIX);

	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       strspn(number, "0123456789abcdef") == DIGITS && number[DIGITS] == '\0';
}

/* ---- the journal ---- */

static int say(const struct tree_shelf *shelf, struct tree_step *step, const char *name,
	       const struct buf *xattrs)
{
	auto_buf struct buf text = BUF_EMPTY;

	step->name_size = (uint32_t)strlen(name) + 1;
	step->xattrs_size = xattrs ? (uint32_t)xattrs->size : 0;
	(void)buf_append(&text, step, sizeof(*step));
	(void)buf_append(&text, name, step->name_size);
	if (xattrs)
		(void)buf_append(&text, xattrs->data, xattrs->size);
	buf_align(&text, 8);
	step->size = (uint32_t)text.size;
	memcpy(text.data, step, sizeof(*step));
	return sys_write_all(shelf->journal, text.data, text.size);
}

static void add_xattr(int fd, const char *name, struct buf *xattrs)
{
	auto_free char *value = mem_alloc(VALUE_MAX, 1);
	ssize_t size = fgetxattr(fd, name, value, VALUE_MAX);
	int32_t length = size < 0 ? -1 : (int32_t)size;

	(void)buf_append(xattrs, name, strlen(name) + 1);
	(void)buf_append(xattrs, &length, sizeof(length));
	if (size > 0)
		(void)buf_append(xattrs, value, (size_t)size);
}

/* A file system without them says so. */
static void read_xattrs(int fd, struct buf *xattrs)
{
	ssize_t size = flistxattr(fd, NULL, 0);
	auto_free char *names = size > 0 ? mem_alloc((size_t)size, 1) : NULL;

	size = names ? flistxattr(fd, names, (size_t)size) : 0;
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		add_xattr(fd, names + at, xattrs);
}

/* A directory as it is now. */
static int say_directory(const struct tree_shelf *shelf, struct tree_step *step, const char *name,
			 int fd)
{
	auto_buf struct buf xattrs = BUF_EMPTY;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	step->device = st.st_dev;
	step->inode = st.st_ino;
	step->uid = st.st_uid;
	step->gid = st.st_gid;
	step->mode = st.st_mode & 07777;
	step->times[0] = st.st_atim;
	step->times[1] = st.st_mtim;
	read_xattrs(fd, &xattrs);
	return say(shelf, step, name, &xattrs);
}

/* ---- the shelf ---- */

static uint32_t number_directory(struct tree_shelf *shelf, uint32_t parent, const char *name)
{
	array_grow(shelf->dirs, shelf->dir_count);
	shelf->dirs[shelf->dir_count++] =
	    (struct tree_shelf_dir){ .parent = parent, .name = mem_string(name) };
	return shelf->dir_count;
}

static int list(const struct tree_shelf *shelf, uint32_t number, uint32_t dir, const char *name)
{
	auto_free char *path = mem_string(name);

	for (; dir > 0; dir = shelf->dirs[dir - 1].parent) {
		char *longer = mem_printf("%s/%s", shelf->dirs[dir - 1].name, path);

		free(path);
		path = longer;
	}
	return dprintf(shelf->shelves[shelf->current].list, "%u %s\n", number, path) < 0 ? -errno
											 : 0;
}

static void choose(struct tree_shelf *shelf, uint32_t current)
{
	shelf->current = current;
	shelf->dir = shelf->shelves[current].dir;
}

static int open_shelf(int dir, const char *name, struct tree_shelf_one *one)
{
	one->dir = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (one->dir < 0)
		return -errno;
	one->list = openat(one->dir, "list",
			   O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	return one->list < 0 ? -errno : 0;
}

/* The directory has another time of change by it; who finds nothing else changed there finds it
 * old. */
static int make_shelf(struct tree_shelf *shelf, uint32_t number, int dir, const struct stat *st)
{
	struct tree_step step = { .deed = TREE_DEED_SHELF, .dir = number };
	struct tree_shelf_one one = { .dir = -1, .list = -1, .device = st->st_dev };
	uint64_t random = 0;
	char name[64];
	int r;

	if (getrandom(&random, sizeof(random), 0) < 0)
		return -errno;
	(void)snprintf(name, sizeof(name), PREFIX "%0*llx", DIGITS, (unsigned long long)random);
	r = say(shelf, &step, name, NULL);
	if (r < 0)
		return r;
	/* Also one that cannot be made has a number. */
	array_grow(shelf->shelves, shelf->shelf_count);
	shelf->shelves[shelf->shelf_count++] = one;
	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	r = open_shelf(dir, name, &one);
	shelf->shelves[shelf->shelf_count - 1] = one;
	(void)futimens(dir, (struct timespec[]){ st->st_atim, st->st_mtim });
	if (r == 0)
		choose(shelf, shelf->shelf_count - 1);
	return r;
}

int tree_shelf_open(struct tree_shelf *shelf, uint32_t number, int dir)
{
	struct stat st, root;
	int r = -EXDEV;

	if (fstat(dir, &st) < 0 || fstat(shelf->root, &root) < 0)
		return -errno;
	for (uint32_t i = 0; i < shelf->shelf_count; i++) {
		if (shelf->shelves[i].dir >= 0 && shelf->shelves[i].device == st.st_dev) {
			choose(shelf, i);
			return 0;
		}
	}
	if (root.st_dev == st.st_dev)
		r = make_shelf(shelf, 0, shelf->root, &root);
	return r == -EXDEV || r == -EACCES || r == -EPERM ? make_shelf(shelf, number, dir, &st) : r;
}

int tree_shelf_begin(int root, int journal, struct tree_shelf *ret_shelf)
{
	struct tree_step step = { .deed = TREE_DEED_ROOT };

	*ret_shelf = TREE_SHELF_NONE;
	ret_shelf->root = root;
	ret_shelf->journal = journal;
	return say_directory(ret_shelf, &step, "", root);
}

int tree_shelf_enter(struct tree_shelf *shelf, uint32_t number, const char *name, int fd,
		     uint32_t *ret_number)
{
	struct tree_step step = { .deed = TREE_DEED_ENTER, .dir = number };

	*ret_number = number_directory(shelf, number, name);
	step.number = *ret_number;
	return say_directory(shelf, &step, name, fd);
}

/* ---- what is in the way ---- */

static int next_name(DIR *list, const char **ret_name)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(list);
	} while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	*ret_name = entry ? entry->d_name : NULL;
	return -errno;
}

/* A mount would be moved along with the directory that it is in. */
static int refuse_mounts(int dir, const char *name, size_t depth)
{
	struct statx st;
	auto_closedir DIR *list = NULL;
	const char *inner;
	bool is_mount;
	int fd;
	int r;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &st) < 0)
		return -errno;
	if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return -EXDEV;
	if (!S_ISDIR(st.stx_mode))
		return 0;
	if (depth > DEPTH_MAX)
		return -ELOOP;
	fd = tree_open_here(dir, name, false, &is_mount);
	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list)
		return -errno;
	do {
		r = next_name(list, &inner);
		if (r == 0 && inner)
			r = refuse_mounts(fd, inner, depth + 1);
	} while (r == 0 && inner);
	return r;
}

static int move(struct tree_shelf *shelf, uint32_t number, int dir, const char *name);

/* An overlay does not move a directory of its lower layers, nor other file systems one to where
 * another quota counts: what is in it goes piece by piece. */
static int dissolve(struct tree_shelf *shelf, uint32_t number, int dir, const char *name)
{
	struct tree_step step = { .deed = TREE_DEED_DISSOLVE, .dir = number };
	auto_closedir DIR *list = NULL;
	const char *inner;
	bool is_mount;
	int fd = tree_open_here(dir, name, false, &is_mount);
	int r;

	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list)
		return -errno;
	r = tree_shelf_enter(shelf, number, name, fd, &step.number);
	for (inner = ""; r == 0 && inner;) {
		r = next_name(list, &inner);
		if (r == 0 && inner)
			r = move(shelf, step.number, fd, inner);
	}
	if (r == 0)
		r = say(shelf, &step, name, NULL);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static int move(struct tree_shelf *shelf, uint32_t number, int dir, const char *name)
{
	struct tree_step step = { .deed = TREE_DEED_MOVE, .dir = number, .shelf = shelf->current };
	struct stat st;
	char place[16];
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	step.number = ++shelf->moved;
	(void)snprintf(place, sizeof(place), "%u", step.number);
	r = say(shelf, &step, name, NULL);
	if (r == 0)
		r = list(shelf, step.number, number, name);
	if (r == 0 && renameat(dir, name, shelf->dir, place) < 0)
		r = -errno;
	return r == -EXDEV && S_ISDIR(st.st_mode) ? dissolve(shelf, number, dir, name) : r;
}

int tree_shelf_move(struct tree_shelf *shelf, uint32_t number, int dir, const char *name)
{
	int r = refuse_mounts(dir, name, 0);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = tree_shelf_open(shelf, number, dir);
	return r < 0 ? r : move(shelf, number, dir, name);
}

/* ---- what is new ---- */

/* Some network file systems cannot look whether something is there meanwhile. */
static int give_name(const struct tree_shelf *shelf, int dir, const char *name)
{
	struct stat st;

	if (renameat2(shelf->dir, TREE_SHELF_NEW, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(shelf->dir, TREE_SHELF_NEW, dir, name) < 0 ? -errno : 0;
}

int tree_shelf_place(struct tree_shelf *shelf, uint32_t number, int dir, const char *name,
		     uint32_t *ret_number)
{
	struct tree_step step = { .deed = TREE_DEED_MAKE, .dir = number };
	struct stat st;
	int r;

	*ret_number = 0;
	if (fstatat(shelf->dir, TREE_SHELF_NEW, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		*ret_number = number_directory(shelf, number, name);
	step.number = *ret_number;
	step.device = st.st_dev;
	step.inode = st.st_ino;
	r = say(shelf, &step, name, NULL);
	return r < 0 ? r : give_name(shelf, dir, name);
}
