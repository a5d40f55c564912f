/* Opening files for a restore. See open.h. */
#include "restore/open.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/kind.h"

static const char *type_name(mode_t type)
{
	switch (type) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a fifo";
	case S_IFCHR:
		return "a character device";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "of the saved type";
	}
}

static int open_place(int root, const char *path, uint32_t flags, mode_t type, int *ret_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (flags & (O_DIRECTORY | O_NOFOLLOW)),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	struct stat st;
	auto_close int fd = -1;

	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (type != 0 && (st.st_mode & S_IFMT) != type)
		return -ESTALE;

	*ret_fd = take_fd(&fd);
	return 0;
}

int open_path(int root, const char *path, mode_t type, int *ret_fd)
{
	return open_place(root, path, type == S_IFLNK ? O_NOFOLLOW : 0, type, ret_fd);
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

int restore_open_path(const struct restore *rs, const char *path, mode_t type, int *ret_fd,
		      struct err *err)
{
	return restore_open_place(rs, path, type == S_IFLNK ? O_NOFOLLOW : 0, type, ret_fd, err);
}

int restore_open_place(const struct restore *rs, const char *path, uint32_t flags, mode_t type,
		       int *ret_fd, struct err *err)
{
	int r = open_place(restore_root(rs)->dir, path, flags, type, ret_fd);

	if (r == -ESTALE)
		return err_set(err, ERR_FAILED, "open %s: it is not %s", path, type_name(type));
	if (r < 0)
		return err_set(err, r, "open %s", path);
	return 0;
}

int restore_place_again(const struct restore *rs, int fd, int *ret_fd, struct err *err)
{
	auto_free char *path = mem_printf("self/fd/%d", fd);
	int again = openat(restore_root(rs)->proc, path, O_PATH | O_CLOEXEC);

	if (again < 0)
		return err_set(err, -errno, "open again");
	*ret_fd = again;
	return 0;
}

static void note_loss(const struct restore *rs, const char *flag, const char *reason)
{
	struct restore noting = *rs; /* the notes are behind its pointer */

	restore_note(&noting, "%s is not kept: %s", flag, reason);
}

int restore_status_flags(const struct restore *rs, int fd, uint32_t flags, struct err *err)
{
	int wanted = (int)(flags & OPEN_STATUS_FLAGS);

	if (fcntl(fd, F_SETFL, wanted) == 0)
		return 0;
	if (errno == EPERM && (wanted & O_NOATIME)) {
		note_loss(rs, "O_NOATIME", "only the owner of a file may have it");
		return restore_status_flags(rs, fd, flags & ~(uint32_t)O_NOATIME, err);
	}
	if (errno == EINVAL && (wanted & O_DIRECT)) {
		note_loss(rs, "O_DIRECT", "the file system does not have it");
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
	r = open_path(restore_root(rs)->dir, parent, S_IFDIR, &dir);
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
