/* What kinds of descriptors share. See files.h. */
#include "kind/support/files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "restore/open.h"

#define DELETED " (deleted)"

uint32_t file_flags(const struct target_fd *fd)
{
	return fd->flags & OPEN_FLAGS;
}

bool file_can_read(uint32_t flags)
{
	return (flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR;
}

bool file_can_write(uint32_t flags)
{
	return (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
}

bool file_block_extras(struct dump *d)
{
	const struct target_fd *fd = d->fd;

	if ((fd->flags & O_ACCMODE) == O_ACCMODE) {
		(void)dump_block(d, NULL, "access mode 3 is not supported (%s)", fd->link);
		return true;
	}
	return false;
}

int file_open_again(int fd, int flags)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return again < 0 ? -errno : again;
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);
	size_t size = strlen(suffix);

	return length >= size && strcmp(text + length - size, suffix) == 0;
}

bool file_is_of_a_process(const struct target_fd *fd)
{
	struct statfs fs;
	const char *at;

	if (fstatfs(fd->fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	for (at = strchr(fd->link, '/'); at; at = strchr(at + 1, '/')) {
		if (at[1] >= '0' && at[1] <= '9')
			return true;
	}
	return false;
}

/* A deleted file may have the name of a memfd, but not be in the kernel's own file system. */
bool file_is_memfd(const struct target_fd *fd)
{
	auto_close int ours = -1;
	struct statfs fs;
	struct stat st;

	if (strncmp(fd->link, "/memfd:", 7) != 0 || !has_suffix(fd->link, DELETED) ||
	    !S_ISREG(fd->stat.st_mode) || fd->stat.st_nlink != 0)
		return false;
	if (fstatfs(fd->fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC)
		return true;
	ours = memfd_create("probe", MFD_CLOEXEC);
	return ours >= 0 && fstat(ours, &st) == 0 && st.st_dev == fd->stat.st_dev;
}

static int leads_to(int root, const char *path, const struct stat *stat)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	struct stat found;
	auto_close int fd = -1;

	fd = sys_openat2(root, path, &how);
	if (fd < 0 || fstat(fd, &found) < 0)
		return -errno;
	if (found.st_dev != stat->st_dev || found.st_ino != stat->st_ino)
		return -ENOENT;
	return 0;
}

/* /proc shows paths from the reader's root: for a task below a chroot, with its root in front. */
static const char *below_root(const struct dump_task *task, const char *link)
{
	struct err err = ERR_NONE;
	auto_free char *root = NULL;
	size_t length;

	if (procfs_readlink(task->proc, "root", &root, &err) < 0)
		return NULL;
	length = strlen(root);
	if (length < 2 || strncmp(link, root, length) != 0 || link[length] != '/')
		return NULL;
	return link + length;
}

int file_find_path(const struct dump_task *task, const char *link, const struct stat *stat,
		   char **ret_path)
{
	const char *below = below_root(task, link);
	auto_close int root = -1;
	int r = -ENOENT;

	if (link[0] != '/' || strlen(link) >= FILE_PATH_MAX)
		return -ENOENT;
	root = openat(task->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;

	if (below)
		r = leads_to(root, below, stat);
	if (r < 0) {
		below = link;
		r = leads_to(root, link, stat);
	}
	if (r == 0 && !file_path_is_valid(below, strlen(below) + 1))
		r = -ENOENT;
	if (r == 0)
		*ret_path = mem_string(below);
	return r;
}

const struct dump_task *file_first_task(const struct dump *d)
{
	const struct dump_task *task = dump_own_task(d, NAMESPACE_MNT);

	if (task)
		return task;
	while ((task = dump_next_task(d, task)) && task->thread_count == 0)
		;
	return task ? task : d->fd->task;
}

/* Is the mount that the file was opened through one of the container's? */
static bool is_mounted_inside(const struct dump *d)
{
	const struct target_fd *fd = d->fd;
	struct err err = ERR_NONE;
	auto_buf struct buf mounts = BUF_EMPTY;
	uint64_t mount = 0; /* no mount has it */

	(void)procfs_field(fd->fdinfo, "mnt_id", 10, &mount);
	if (procfs_read(file_first_task(d)->proc, "mountinfo", &mounts, &err) < 0)
		return false;
	for (const char *line = mounts.data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line && strtoull(line, NULL, 10) == mount)
			return true;
	}
	return false;
}

int file_look_path(const struct dump *d, char **ret_path)
{
	return file_find_path(file_first_task(d), d->fd->link, &d->fd->stat, ret_path);
}

void file_dump_path(struct dump *d, char **ret_path)
{
	const struct target_fd *fd = d->fd;
	int r = file_look_path(d, ret_path);

	if (r == 0)
		return;
	*ret_path = NULL;
	if (is_mounted_inside(d)) {
		if (external_takes(d))
			return;
		if (r != -ENOENT)
			(void)dump_block(d, NULL, "%s cannot be looked up: %s", fd->link,
					 strerror(-r));
		else
			(void)dump_block(d, "let the program close it",
					 "%s does not lead to the file any more", fd->link);
		return;
	}
	if (!stdio_takes(d) && !external_takes(d))
		(void)dump_block(d, "close it, or start the container with the file inside of it",
				 "%s is outside of the container", fd->link);
}

char *file_deleted_path(const char *link)
{
	size_t length = strlen(link);

	if (has_suffix(link, DELETED))
		length -= strlen(DELETED);
	return mem_copy(link, length);
}

bool file_flags_are_valid(uint32_t flags)
{
	return (flags & ~(uint32_t)OPEN_FLAGS) == 0 && (flags & O_ACCMODE) != O_ACCMODE;
}

bool file_type_is_valid(uint32_t type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
	       type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK;
}

static bool has_parent_component(const char *path)
{
	for (const char *at = strstr(path, "/.."); at; at = strstr(at + 1, "/..")) {
		if (at[3] == '/' || at[3] == '\0')
			return true;
	}
	return false;
}

bool file_path_is_valid(const void *path, size_t size)
{
	const char *text = path;

	if (size < 2 || size > FILE_PATH_MAX || text[0] != '/')
		return false;
	if (memchr(text, '\0', size) != text + size - 1)
		return false;
	return !has_parent_component(text);
}

const struct record *file_record(const struct image *image, uint32_t id)
{
	for (size_t i = 0; id != 0 && kinds[i]; i++) {
		const struct record *record = NULL;

		if (kinds[i]->scope == SCOPE_FD)
			record = image_find(image, kinds[i]->tag, id);
		if (record)
			return record;
	}
	return NULL;
}

bool file_is_kept(const struct image *image, uint32_t id)
{
	static const char *const names[] = { "regfile", "directory", "memfd" };

	for (size_t i = 0; id != 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		if (image_find(image, kind_by_name(names[i])->tag, id))
			return true;
	}
	return false;
}

const struct record *file_carrier(const struct image *image, const struct record *record,
				  uint32_t carrier, struct err *err)
{
	const struct record *found = image_find(image, record->tag, carrier);

	if (found && found < record)
		return found;
	(void)err_set(err, ERR_DAMAGED, "object %u names object %u, which is not before it",
		      record->id, carrier);
	return NULL;
}

int file_restore_again(struct restore *rs, const struct record *record, uint32_t carrier,
		       uint32_t flags, uint64_t offset, struct err *err)
{
	auto_close int fd = -1;
	int r;

	r = restore_reopen(rs, restore_fd(rs, carrier), flags, &fd, err);
	if (r < 0)
		return err_wrap(err, "object %u again", carrier);
	if (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return err_set(err, -errno, "set position %" PRIu64, offset);
	return restore_give_fd(rs, record, take_fd(&fd), err);
}
