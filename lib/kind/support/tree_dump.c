/* Reads the files of a tmpfs, or chosen ones of a root directory. All tasks that could change them
 * are stopped. A tmpfs is a mount of ours, on which no device can be opened; of a root directory,
 * nothing is opened before it was looked at. See tree_record.h. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/file_content.h"
#include "kind/support/leases.h"
#include "kind/support/loss.h"
#include "kind/support/mount_saving.h"
#include "kind/support/tree_choice.h"
#include "kind/support/tree_record.h"

#define INLINE_MAX (64u << 20) /* of all small files together */

/* A file with more than one name. */
struct named {
	dev_t dev;
	ino_t inode;
	uint32_t number;
};

struct tree {
	struct dump *d;
	const char *place;
	struct buf body;
	uint32_t count;
	size_t inlined;
	struct named *named; /* owned */
	size_t named_count;
	uint32_t flagged; /* files with flags of chattr(1) */
	bool has_nodes;
	bool is_blocked;
	const struct tree_choice *choice; /* NULL: all files */
	uint64_t mount;			  /* of a choice: where it ends */
};

static void tree_free(struct tree *tree)
{
	buf_free(&tree->body);
	free(tree->named);
}

/* Where it is is said once: what comes next might be the same a million times. */
static int block(struct tree *tree, const char *path, const char *reason)
{
	if (!tree->is_blocked)
		(void)dump_block(tree->d, NULL, "%s%s%s: %s", tree->place, *path ? "/" : "", path,
				 reason);
	tree->is_blocked = true;
	return 0;
}

static uint32_t find_named(const struct tree *tree, const struct stat *stat)
{
	for (size_t i = 0; i < tree->named_count; i++) {
		if (tree->named[i].inode == stat->st_ino && tree->named[i].dev == stat->st_dev)
			return tree->named[i].number;
	}
	return 0;
}

/* ---- one entry ---- */

struct file {
	struct tree_entry_rec rec;
	struct stat stat;
	int fd; /* of regular files and directories; owned */
	bool is_leased;
	struct buf xattrs;
	struct buf data;
};

static void file_free(struct file *file)
{
	drop_fd(&file->fd);
	buf_free(&file->xattrs);
	buf_free(&file->data);
}

/* Labels of security modules are the host's to give. */
static bool is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
	       strncmp(name, "system.posix_acl_", 17) == 0;
}

static int add_xattr(struct file *file, const char *name)
{
	auto_free char *value = mem_alloc(1, 65536);
	ssize_t size = fgetxattr(file->fd, name, value, 65536);
	le32 length;

	if (size < 0)
		return errno == ENODATA ? 0 : -errno;
	length = le32_make((uint32_t)size);
	(void)buf_append(&file->xattrs, name, strlen(name) + 1);
	(void)buf_append(&file->xattrs, &length, sizeof(length));
	(void)buf_append(&file->xattrs, value, (size_t)size);
	return file->xattrs.size > TREE_XATTRS_MAX ? -E2BIG : 0;
}

static int read_xattrs(struct file *file)
{
	ssize_t size = flistxattr(file->fd, NULL, 0);
	auto_free char *names = size > 0 ? mem_alloc(1, (size_t)size + 1) : NULL;
	int r = 0;

	if (size <= 0)
		return size < 0 && errno != ENOTSUP ? -errno : 0;
	size = flistxattr(file->fd, names, (size_t)size);
	for (const char *name = names; r == 0 && name < names + size; name += strlen(name) + 1) {
		if (is_kept(name))
			r = add_xattr(file, name);
	}
	return size < 0 ? -errno : r;
}

/* Those that somebody sets; others tell how a file system stores a file. */
static bool has_flags(const struct file *file)
{
	int flags = 0;

	return ioctl(file->fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	       (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |
			 FS_SYNC_FL | FS_DIRSYNC_FL | FS_SECRM_FL | FS_UNRM_FL)) != 0;
}

static int read_inline(struct tree *tree, struct file *file)
{
	char *bytes = buf_append(&file->data, NULL, (size_t)file->stat.st_size);
	size_t done = 0;

	while (done < (size_t)file->stat.st_size) {
		ssize_t n =
		    pread(file->fd, bytes + done, (size_t)file->stat.st_size - done, (off_t)done);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	tree->inlined += done;
	return 0;
}

/* Bytes that arrive later are written by somebody whose writing takes these away. */
static bool is_delicate(const struct file *file)
{
	return file->stat.st_mode & (S_ISUID | S_ISGID) ||
	       (file->xattrs.size > 0 &&
		memmem(file->xattrs.data, file->xattrs.size, "security.capability", 20) != NULL);
}

static int read_content(struct tree *tree, struct file *file)
{
	uint64_t size = (uint64_t)file->stat.st_size;
	bool is_small = size <= TREE_INLINE && tree->inlined + size <= INLINE_MAX;
	uint32_t id;
	int r;

	file->rec.size = le64_make(size);
	if (is_small || is_delicate(file))
		return size > INLINE_MAX - tree->inlined ? -EFBIG : read_inline(tree, file);
	id = dump_new_id(tree->d);
	r = file_content_take(tree->d, id, take_fd(&file->fd), file->is_leased, size);
	if (r > 0)
		file->rec.content = le32_make(id);
	return r < 0 ? r : 0;
}

static int read_target(int dir, const char *name, struct file *file)
{
	char target[4096];
	ssize_t size = readlinkat(dir, name, target, sizeof(target));

	if (size < 0)
		return -errno;
	if (size == 0 || size == sizeof(target))
		return -ENAMETOOLONG;
	(void)buf_append(&file->data, target, (size_t)size);
	return 0;
}

static int read_file(struct tree *tree, int dir, const char *name, struct file *file)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat now;
	int r;

	switch (file->stat.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
		r = lease_duplicate(tree->d, &file->stat);
		file->is_leased = r != -ENOENT;
		if (file->is_leased && r < 0)
			return r;
		file->fd = file->is_leased
			       ? r
			       : openat(dir, name,
					flags | (S_ISDIR(file->stat.st_mode) ? O_DIRECTORY : 0));
		if (file->fd < 0 || fstat(file->fd, &now) < 0)
			return -errno;
		if (now.st_ino != file->stat.st_ino || now.st_mode != file->stat.st_mode)
			return -EAGAIN;
		tree->flagged += has_flags(file);
		r = read_xattrs(file);
		return r == 0 && S_ISREG(now.st_mode) ? read_content(tree, file) : r;
	case S_IFLNK:
		return read_target(dir, name, file);
	case S_IFCHR:
		if (tree->has_nodes && le32_get(file->rec.parent) == 1 &&
		    device_is_common(name, file->stat.st_rdev)) {
			/* What the host's is put over. */
			file->rec.mode = le32_make(S_IFREG | (le32_get(file->rec.mode) & 07777u));
			return 0;
		}
		return file->stat.st_rdev == 0 ? 0 : -ENODEV;
	case S_IFBLK:
		return -ENODEV;
	default:
		return 0;
	}
}

static void fill_rec(struct tree *tree, uint32_t parent, struct file *file)
{
	const struct stat *stat = &file->stat;

	file->rec.parent = le32_make(parent);
	file->rec.mode = le32_make(stat->st_mode & (S_IFMT | 07777));
	file->rec.uid = le32_make(stat->st_uid);
	file->rec.gid = le32_make(stat->st_gid);
	file->rec.atime_s = le64_make((uint64_t)stat->st_atim.tv_sec);
	file->rec.mtime_s = le64_make((uint64_t)stat->st_mtim.tv_sec);
	file->rec.atime_ns = le32_make((uint32_t)stat->st_atim.tv_nsec);
	file->rec.mtime_ns = le32_make((uint32_t)stat->st_mtim.tv_nsec);
	if (S_ISDIR(stat->st_mode) || stat->st_nlink < 2)
		return;
	file->rec.link = le32_make(find_named(tree, stat));
	if (le32_get(file->rec.link))
		return;
	array_grow(tree->named, tree->named_count);
	tree->named[tree->named_count++] =
	    (struct named){ stat->st_dev, stat->st_ino, tree->count + 1 };
}

static void write_file(struct tree *tree, const char *name, struct file *file)
{
	struct buf *body = &tree->body;

	file->rec.name_length = le32_make((uint32_t)strlen(name));
	file->rec.xattrs_length = le32_make((uint32_t)file->xattrs.size);
	file->rec.data_length = le32_make((uint32_t)file->data.size);
	(void)buf_append(body, &file->rec, sizeof(file->rec));
	(void)buf_append(body, name, strlen(name));
	(void)buf_append(body, file->xattrs.data, file->xattrs.size);
	(void)buf_append(body, file->data.data, file->data.size);
	buf_align(body, 8);
	tree->count++;
}

/* ---- the walk ---- */

static int read_directory(struct tree *tree, int fd, const char *path, uint32_t number,
			  size_t depth, struct err *err);

/* What the upper directory hides of the lower one. */
static int write_removal(struct tree *tree, const char *name, const char *path, uint32_t parent)
{
	auto_with(file_free) struct file file = { .fd = -1, .stat = { .st_mode = S_IFCHR } };

	if (tree->choice->upper < 0)
		return block(tree, path, "it is to be carried along, and is not there");
	fill_rec(tree, parent, &file);
	write_file(tree, name, &file);
	return 0;
}

static int mount_of(int dir, const char *name, uint64_t *ret_mount)
{
	struct statx stat;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, STATX_MNT_ID,
		  &stat) < 0)
		return -errno;
	if (!(stat.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret_mount = stat.stx_mnt_id;
	return 0;
}

/* Another mount: what is on it has a record of its own, or is the host's. What it is on must be
 * there for it. */
static int write_point(struct tree *tree, const char *name, uint32_t parent, struct file *file)
{
	file->stat = (struct stat){ .st_mode = S_ISDIR(file->stat.st_mode) ? S_IFDIR | 0755
									   : S_IFREG | 0644 };
	fill_rec(tree, parent, file);
	file->rec.flags = le32_make(TREE_ON_WAY);
	write_file(tree, name, file);
	return 0;
}

static void choose(struct tree *tree, const char *path, struct file *file)
{
	static const uint32_t flags[] = {
		[TREE_PART_WAY] = TREE_ON_WAY, [TREE_PART_SOME] = 0, [TREE_PART_WHOLE] = TREE_WHOLE
	};

	if (S_ISDIR(file->stat.st_mode))
		file->rec.flags = le32_make(flags[tree_choice_part(tree->choice, path)]);
}

static int read_entry(struct tree *tree, int dir, const char *name, const char *path,
		      uint32_t parent, size_t depth, struct err *err)
{
	auto_with(file_free) struct file file = { .fd = -1 };
	uint64_t mount = 0;
	int r = 0;

	if (fstatat(dir, name, &file.stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && tree->choice
			   ? write_removal(tree, name, path, parent)
			   : err_set(err, -errno, "look at %s/%s", tree->place, path);
	if (tree->choice) {
		r = mount_of(dir, name, &mount);
		if (r < 0)
			return err_set(err, r, "look at the mount of %s/%s", tree->place, path);
		if (mount != tree->mount)
			return write_point(tree, name, parent, &file);
		choose(tree, path, &file);
	}
	fill_rec(tree, parent, &file);
	if (!le32_get(file.rec.link))
		r = read_file(tree, dir, name, &file);
	if (r == -ENODEV)
		return block(tree, path, "device nodes are not supported");
	if (r == -EFBIG)
		return block(tree, path, "a set-id file of this size is not supported");
	if (r == -EWOULDBLOCK)
		return block(tree, path, "it is leased, and cannot be read");
	if (r < 0)
		return block(tree, path, strerror(-r));
	write_file(tree, parent ? name : "", &file);
	if (tree->count >= TREE_ENTRIES_MAX || tree->body.size > TREE_BYTES_MAX - (2u << 20))
		return block(tree, "", "there are too many files");
	if (!S_ISDIR(file.stat.st_mode))
		return 0;
	return read_directory(tree, take_fd(&file.fd), path, tree->count, depth, err);
}

static int read_name(struct tree *tree, int fd, const char *name, const char *path, uint32_t number,
		     size_t depth, struct err *err)
{
	auto_free char *below = mem_printf("%s%s%s", path, *path ? "/" : "", name);

	if (strlen(below) >= 4095)
		return block(tree, path, "the path is too long");
	return read_entry(tree, fd, name, below, number, depth + 1, err);
}

static int read_chosen(struct tree *tree, int fd, const char *path, uint32_t number, size_t depth,
		       struct err *err)
{
	char **names;
	size_t count;
	int r = tree_choice_names(tree->choice, path, &names, &count);

	if (r < 0)
		r = err_set(err, r, "read what was changed in %s/%s", tree->place, path);
	for (size_t i = 0; i < count; i++) {
		if (r == 0 && !tree->is_blocked)
			r = read_name(tree, fd, names[i], path, number, depth, err);
		free(names[i]);
	}
	free(names);
	return r;
}

/* `fd` is taken over. */
static int read_directory(struct tree *tree, int fd, const char *path, uint32_t number,
			  size_t depth, struct err *err)
{
	auto_closedir DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "read %s/%s", tree->place, path);
	if (depth > TREE_DEPTH_MAX)
		return block(tree, path, "it is too deep in directories");
	if (tree->choice && tree_choice_part(tree->choice, path) != TREE_PART_WHOLE)
		return read_chosen(tree, fd, path, number, depth, err);
	while (r == 0 && !tree->is_blocked && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = read_name(tree, fd, entry->d_name, path, number, depth, err);
	}
	return r;
}

/* Each large file is open until it is written. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int dump_all(struct tree *tree, const struct kind *kind, uint32_t id, int dir,
		    struct err *err)
{
	struct tree_rec rec = { .count = le32_make(0) };
	int r;

	raise_limit();
	(void)buf_append(&tree->body, &rec, sizeof(rec));
	r = read_entry(tree, dir, ".", "", 0, 0, err);
	if (r < 0 || tree->is_blocked)
		return r;
	rec.count = le32_make(tree->count);
	memcpy(tree->body.data, &rec, sizeof(rec));
	dump_record(tree->d, id, kind, tree->body.data, tree->body.size);
	if (tree->flagged > 0)
		dump_loss(tree->d, LOSS_FILE_FLAGS, 0, tree->flagged,
			  *tree->place ? tree->place : "/");
	return 0;
}

int tree_dump(struct dump *d, const struct kind *kind, uint32_t id, int dir, const char *place,
	      bool has_nodes, struct err *err)
{
	auto_with(tree_free) struct tree tree = { .d = d,
						  .place = strcmp(place, "/") == 0 ? "" : place,
						  .has_nodes = has_nodes };

	return dump_all(&tree, kind, id, dir, err);
}

int tree_dump_chosen(struct dump *d, const struct kind *kind, uint32_t id, int dir,
		     const struct tree_choice *choice, struct err *err)
{
	auto_with(tree_free) struct tree tree = { .d = d, .place = "", .choice = choice };
	int r = mount_of(dir, "", &tree.mount);

	if (r < 0)
		return err_set(err, r, "look at the mount of the root");
	return dump_all(&tree, kind, id, dir, err);
}
