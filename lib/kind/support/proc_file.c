/* Files of /proc that set something of a process. See proc_file.h. */
#include "kind/support/proc_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"

/* What is written as hexadecimal is read without the prefix. */
static bool is_set(int proc, const char *name, const char *text)
{
	auto_buf struct buf now = BUF_EMPTY;
	struct err ignored;

	if (strncmp(text, "0x", 2) == 0)
		text += 2;
	return procfs_read(proc, name, &now, &ignored) == 0 &&
	       strncmp(now.data, text, strlen(text)) == 0 && now.data[strlen(text)] == '\n';
}

/* A task may belong to an id that is not ours. A negative result is the target's errno. What lies
 * at that path may be anything, such as a fifo that nobody reads. */
static int write_inside(struct script *script, const char *name, const char *text, int *ret_result,
			struct err *err)
{
	auto_free char *path = mem_printf("/proc/self/%s", name);
	size_t step;
	int64_t fd;
	int r = script_room(script, 1, strlen(path) + 64, err);

	if (r < 0)
		return r;
	step = script_syscall(script, "open a file of /proc", SCRIPT_MAY_FAIL, SYS_openat,
			      (uint64_t)AT_FDCWD, script_copy(script, path, strlen(path) + 1),
			      O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	r = script_run(script, err);
	if (r < 0)
		return r;
	fd = script_result(script, step);
	*ret_result = (int)fd;
	if (fd < 0)
		return 0;
	step = script_syscall(script, "write a file of /proc", SCRIPT_MAY_FAIL, SYS_write,
			      (uint64_t)fd, script_copy(script, text, strlen(text)), strlen(text));
	(void)script_syscall(script, "close a file of /proc", 0, SYS_close, (uint64_t)fd);
	r = script_run(script, err);
	*ret_result = r < 0 ? 0 : (int)script_result(script, step);
	return r;
}

int proc_file_set(struct script *script, const char *name, const char *text, struct err *err)
{
	auto_close int proc = -1;
	auto_close int fd = -1;
	int result;
	int r = procfs_open_pid(script->remote->tid, &proc, err);

	if (r < 0 || is_set(proc, name, text))
		return r;
	fd = openat(proc, name, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return 0;
	r = write_inside(script, name, text, &result, err);
	if (r < 0)
		return r;
	/* Whatever lies at that path: what counts is what it did. */
	if (!is_set(proc, name, text))
		return err_set(err, result < 0 ? result : -EACCES, "set %s to %s", name, text);
	return 0;
}
