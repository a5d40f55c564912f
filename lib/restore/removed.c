/* Directories that were removed while somebody was still in them: made anew, under the same path,
 * in a file system that nobody else sees and that goes away with them, and removed again. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/kind.h"

#ifndef FSOPEN_CLOEXEC
enum { FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1, FSCONFIG_CMD_CREATE = 6 };
#endif

static int mount_tmpfs(int *ret_root, struct err *err)
{
	auto_close int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, -errno, "make a file system for removed directories");
	*ret_root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (*ret_root < 0)
		return err_set(err, -errno, "make a file system for removed directories");
	return 0;
}

/* Makes each directory of the path, and ends in the parent of the last one. */
static int make_parents(char *path, int *dir, char **ret_last)
{
	char *rest = path;
	char *name = strsep(&rest, "/");

	for (char *next; (next = strsep(&rest, "/"));) {
		int inner;

		if (*next == '\0')
			continue;
		if (*name != '\0') {
			if (mkdirat(*dir, name, 0755) < 0)
				return -errno;
			inner = openat(*dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (inner < 0)
				return -errno;
			drop_fd(dir);
			*dir = inner;
		}
		name = next;
	}
	*ret_last = name;
	return 0;
}

int restore_removed_directory(const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	auto_free char *text = mem_string(path);
	auto_close int dir = -1;
	auto_close int fd = -1;
	char *last = NULL;
	int r = mount_tmpfs(&dir, err);

	if (r < 0)
		return r;
	r = make_parents(text, &dir, &last);
	if (r < 0 || mkdirat(dir, last, 0700) < 0)
		return err_set(err, r < 0 ? r : -errno, "make removed directory %s", path);
	fd = openat(dir, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode & 07777) < 0 || unlinkat(dir, last, AT_REMOVEDIR) < 0)
		return err_set(err, -errno, "make removed directory %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}
