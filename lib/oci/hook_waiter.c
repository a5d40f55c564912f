/* The program that waits for a restore: beside ours, where we were built, or where it is installed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "oci/hook.h"

static bool is_program(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_mode & 0111;
}

int hook_find_waiter(char **ret_path, struct err *err)
{
	auto_free char *self = NULL;
	auto_free char *path = NULL;
	int r = procfs_readlink(AT_FDCWD, "/proc/self/exe", &self, err);

	if (r < 0)
		return r;
	*(strrchr(self, '/') + 1) = '\0';
	path = mem_printf("%srestore-init", self);
	if (!is_program(path)) {
		free(path);
		path = mem_string(CTCKPT_LIBEXECDIR "/ctckpt/restore-init");
	}
	if (!is_program(path))
		return err_set(err, ERR_HOST, "%s is not installed", path);
	*ret_path = take_ptr(path);
	return 0;
}

bool hook_is_waiter(pid_t pid)
{
	auto_free char *waiter = NULL;
	auto_close int proc = -1;
	struct err ignored;
	struct stat wanted;
	struct stat stat;

	return hook_find_waiter(&waiter, &ignored) == 0 && lstat(waiter, &wanted) == 0 &&
	       procfs_open_pid(pid, &proc, &ignored) == 0 && fstatat(proc, "exe", &stat, 0) == 0 &&
	       stat.st_ino == wanted.st_ino && stat.st_dev == wanted.st_dev;
}
