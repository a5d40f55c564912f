/* Where the file of a unix socket is. See unix_path.h. */
#include "kind/support/unix_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/files.h"

static const struct dump_task *first_living(const struct dump *d)
{
	const struct dump_task *task = NULL;

	while ((task = dump_next_task(d, task)) && task->thread_count == 0)
		;
	return task;
}

/* The path, without links and "..", of what a descriptor of ours leads to. */
static int name_file(const struct dump *d, int fd, const struct stat *st, char **ret_path)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_free char *number = mem_printf("self/fd/%d", fd);
	auto_free char *link = NULL;
	struct err err = ERR_NONE;

	if (procfs_readlink(proc, number, &link, &err) < 0)
		return err.code;
	return file_find_path(first_living(d), link, st, ret_path);
}

/* Whoever has rights over the network namespace is given the file itself, 4.16. */
static int ask_kernel(const struct dump *d, const struct unix_socket *own, char **ret_path,
		      struct stat *ret_stat)
{
	auto_close int fd = ioctl(own->fd, SIOCUNIXFILE);

	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return -errno;
	return ret_stat->st_nlink == 0 ? 0 : name_file(d, fd, ret_stat, ret_path);
}

/* Is it this socket's? The kernel's list has the low bits of its inode. */
static int look_beneath(const struct dump *d, const char *path, const struct unix_socket *own,
			char **ret_path, struct stat *ret_stat)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const struct dump_task *task = first_living(d);
	auto_close int root = openat(task->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;

	if (root < 0)
		return -errno;
	fd = sys_openat2(root, path, &how);
	if (fd < 0 || fstat(fd, ret_stat) < 0 || !S_ISSOCK(ret_stat->st_mode) ||
	    (uint32_t)ret_stat->st_ino != own->facts.file_inode)
		return 0;
	return name_file(d, fd, ret_stat, ret_path);
}

/* A relative name may be of any directory that a task works in. */
static int look_in_directories(const struct dump *d, const char *name,
			       const struct unix_socket *own, char **ret_path,
			       struct stat *ret_stat)
{
	const struct dump_task *task = NULL;
	int r = 0;

	while (r == 0 && !*ret_path && (task = dump_next_task(d, task))) {
		auto_free char *cwd = NULL;
		auto_free char *path = NULL;
		struct err err = ERR_NONE;

		if (task->thread_count == 0 || procfs_readlink(task->proc, "cwd", &cwd, &err) < 0)
			continue;
		path = mem_printf("%s/%s", cwd[1] ? cwd : "", name);
		r = look_beneath(d, path, own, ret_path, ret_stat);
	}
	return r;
}

int unix_path_find(const struct dump *d, const struct unix_socket *own, char **ret_path,
		   struct stat *ret_stat)
{
	auto_free char *name = mem_copy(own->name.text, own->name.length);
	int asked;
	int r;

	*ret_path = NULL;
	asked = ask_kernel(d, own, ret_path, ret_stat);
	if (asked == 0)
		return 0;
	/* One that was restored was bound by way of a mount that is gone, see unix_bind.c. */
	if (name[0] == '/')
		r = look_beneath(d, name, own, ret_path, ret_stat);
	else
		r = look_in_directories(d, name, own, ret_path, ret_stat);
	return r == 0 && !*ret_path && asked != -EPERM ? asked : r;
}
