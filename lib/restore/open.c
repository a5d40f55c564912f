/* Opening files for a restore. See open.h. */
#include "restore/open.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "kind/kind.h"

const char *open_type_name(mode_t type)
{
	switch (type & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a fifo";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFSOCK:
		return "a socket";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "of the saved type";
	}
}

static int resolve(int root, const char *path, uint64_t flags, uint64_t rules)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | rules,
	};
	int fd = sys_openat2(root, path, &how);

	return fd < 0 ? -errno : fd;
}

static int locate(int root, const char *path, uint64_t flags, mode_t type,
		  struct open_place *ret_place)
{
	/* A device is known by its number, whatever leads to it. */
	uint64_t last = flags | (type == S_IFCHR ? 0 : O_NOFOLLOW);
	struct open_place place = { .fd = resolve(root, path, last, RESOLVE_NO_SYMLINKS) };

	if (place.fd == -ELOOP) {
		place.has_links = true;
		place.fd = resolve(root, path, last, 0);
	}
	if (place.fd < 0)
		return place.fd;
	if (fstat(place.fd, &place.stat) < 0) {
		(void)close(place.fd);
		return -errno;
	}
	*ret_place = place;
	return 0;
}

int open_place(int root, const char *path, mode_t type, struct open_place *ret_place)
{
	return locate(root, path, 0, type, ret_place);
}

int open_path(int root, const char *path, mode_t type, int *ret_fd)
{
	struct open_place place;
	int r = open_place(root, path, type, &place);

	if (r < 0)
		return r;
	if (type != 0 && (place.stat.st_mode & S_IFMT) != type) {
		(void)close(place.fd);
		return -ESTALE;
	}
	*ret_fd = place.fd;
	return 0;
}

int open_directory(int root, const char *path, int *ret_fd)
{
	int fd = resolve(root, path, O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

bool open_is_of_a_process(int proc, int fd)
{
	auto_free char *number = mem_printf("self/fd/%d", fd);
	auto_free char *link = NULL;
	struct err ignored;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	if (procfs_readlink(proc, number, &link, &ignored) < 0)
		return true;
	for (const char *at = strchr(link, '/'); at; at = strchr(at + 1, '/')) {
		if (at[1] >= '0' && at[1] <= '9')
			return true;
	}
	return false;
}

int open_inode(int proc, int fd, uint32_t flags, int *ret_fd)
{
	/* O_APPEND also here, because an append-only file refuses to be opened without. */
	int kept = (int)(flags & (O_ACCMODE | O_SYNC | O_APPEND));
	char path[sizeof("self/fd/") + 3 * sizeof(int)];
	int again;

	(void)snprintf(path, sizeof(path), "self/fd/%d", fd);
	again = openat(proc, path, kept | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (again < 0)
		return -errno;
	*ret_fd = again;
	return 0;
}

static void note(const struct restore *rs, const char *subject, const char *text)
{
	struct restore noting = *rs; /* the notes are behind its pointer */

	restore_note(&noting, "%s%s", subject, text);
}

/* With O_DIRECTORY as in `flags`. */
static int find(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		int *ret_fd, struct err *err)
{
	const struct restore_root *root = restore_root(rs);
	struct open_place place;
	auto_close int fd = -1;
	int r = locate(root->dir, path, flags & O_DIRECTORY, type, &place);

	if (r < 0)
		return err_set(err, r, "open %s", path);
	fd = place.fd;
	if (type != 0 && (place.stat.st_mode & S_IFMT) != type)
		return err_set(err, ERR_FAILED, "open %s: it is %s, not %s", path,
			       open_type_name(place.stat.st_mode), open_type_name(type));
	if (S_ISREG(place.stat.st_mode) && open_is_of_a_process(root->proc, fd))
		return err_set(err, ERR_REFUSED, "open %s: it is a file of a process", path);
	if (place.has_links && type != S_IFCHR)
		note(rs, path, " is found by way of a symbolic link");
	*ret_fd = take_fd(&fd);
	return 0;
}

int restore_open_path(const struct restore *rs, const char *path, mode_t type, int *ret_fd,
		      struct err *err)
{
	return find(rs, path, 0, type, ret_fd, err);
}

static int place_again(const struct restore *rs, int fd, uint32_t flags, int *ret_fd,
		       struct err *err)
{
	auto_free char *path = mem_printf("self/fd/%d", fd);
	int again = openat(restore_root(rs)->proc, path, O_PATH | O_CLOEXEC | (int)flags);

	if (again < 0)
		return err_set(err, -errno, "open again");
	*ret_fd = again;
	return 0;
}

int restore_open_place(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		       int *ret_fd, struct err *err)
{
	auto_close int place = -1;
	int r = find(rs, path, flags, type, &place, err);

	if (r < 0)
		return r;
	if (!(flags & O_NOFOLLOW))
		return place_again(rs, place, flags & O_DIRECTORY, ret_fd, err);
	*ret_fd = take_fd(&place);
	return 0;
}

int restore_place_again(const struct restore *rs, int fd, int *ret_fd, struct err *err)
{
	return place_again(rs, fd, 0, ret_fd, err);
}

int restore_status_flags(const struct restore *rs, int fd, uint32_t flags, struct err *err)
{
	int wanted = (int)(flags & OPEN_STATUS_FLAGS);

	if (fcntl(fd, F_SETFL, wanted) == 0)
		return 0;
	if (errno == EPERM && (wanted & O_NOATIME)) {
		note(rs, "O_NOATIME", " is not kept: only the owner of a file may have it");
		return restore_status_flags(rs, fd, flags & ~(uint32_t)O_NOATIME, err);
	}
	if (errno == EINVAL && (wanted & O_DIRECT)) {
		note(rs, "O_DIRECT", " is not kept: the file system does not have it");
		return restore_status_flags(rs, fd, flags & ~(uint32_t)O_DIRECT, err);
	}
	return err_set(err, -errno, "set status flags to %#x", (unsigned int)wanted);
}

int restore_reopen(const struct restore *rs, int fd, uint32_t flags, int *ret_fd, struct err *err)
{
	auto_close int again = -1;
	int r;

	r = open_inode(restore_root(rs)->proc, fd, flags, &again);
	if (r < 0)
		return err_set(err, r, "open");
	r = restore_status_flags(rs, again, flags, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&again);
	return 0;
}

int restore_open(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		 int *ret_fd, struct err *err)
{
	auto_close int place = -1;
	int r;

	r = restore_open_path(rs, path, type, &place, err);
	if (r < 0)
		return r;
	r = restore_reopen(rs, place, flags, ret_fd, err);
	if (r < 0)
		return err_wrap(err, "file %s", path);
	return 0;
}

/* An unnamed file in the directory that `path` is in. */
static int unnamed_beside(const struct restore *rs, const char *path, int *ret_fd)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = NULL;
	auto_close int dir = -1;
	int fd;
	int r;

	if (!slash)
		return -EINVAL;
	parent = slash == path ? mem_string("/") : mem_copy(path, (size_t)(slash - path));
	r = open_directory(restore_root(rs)->dir, parent, &dir);
	if (r < 0)
		return r;
	fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int restore_unnamed(struct restore *rs, const char *path, mode_t mode, uint64_t size, int *ret_fd,
		    struct err *err)
{
	auto_close int fd = -1;
	int r;

	r = unnamed_beside(rs, path, &fd);
	if (r < 0) {
		restore_note(rs, "deleted file %s is kept in memory: %s", path, strerror(-r));
		fd = memfd_create("deleted file", MFD_CLOEXEC);
		if (fd < 0)
			return err_set(err, -errno, "create a file in memory");
	}

	if (size > INT64_MAX || ftruncate(fd, (off_t)size) < 0)
		return err_set(err, size > INT64_MAX ? -EFBIG : -errno,
			       "give deleted file %s its size", path);
	if (fchmod(fd, mode & 0777) < 0)
		return err_set(err, -errno, "give deleted file %s its mode", path);
	*ret_fd = take_fd(&fd);
	return 0;
}
