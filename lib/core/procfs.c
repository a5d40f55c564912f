/* Files and directories of /proc, and its small texts. See procfs.h; the parsers of the bigger
 * texts are in procfs_stat.c, procfs_status.c and procfs_maps.c. */
#include "core/procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"

enum { READ_SIZE = 4096 };

bool procfs_field(const char *text, const char *name, int base, uint64_t *ret_value)
{
	size_t length = strlen(name);

	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line != '\0') {
		const char *at = line;
		uint64_t value;

		if (strncmp(at, name, length) != 0 || at[length] != ':')
			continue;
		at += length + 1;
		scan_blanks(&at);
		if (base == 16)
			(void)scan_text(&at, "0x");
		if (!scan_number(&at, base, UINT64_MAX, &value) || !strchr(" \t\n", *at))
			return false;
		*ret_value = value;
		return true;
	}
	return false;
}

/* The last component is not followed: in /proc/PID those links lead to what the task chose. */
int procfs_read(int dir, const char *path, struct buf *buf, struct err *err)
{
	auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

	buf_clear(buf);
	if (fd < 0)
		return err_set(err, -errno, "open %s", path);
	for (;;) {
		size_t size = buf->size;
		char *room = buf_append(buf, NULL, READ_SIZE);
		ssize_t n = read(fd, room, READ_SIZE);

		buf->size = size + (n > 0 ? (size_t)n : 0);
		buf->data[buf->size] = '\0';
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "read %s", path);
	}
}

int procfs_readlink(int dir, const char *path, char **ret_link, struct err *err)
{
	auto_free char *link = NULL;

	for (size_t size = 256;; size *= 2) {
		ssize_t n;

		link = mem_resize(link, size, 1);
		n = readlinkat(dir, path, link, size);
		if (n < 0)
			return err_set(err, -errno, "read link %s", path);
		if ((size_t)n < size) {
			link[n] = '\0';
			*ret_link = take_ptr(link);
			return 0;
		}
	}
}

int procfs_open_pid(pid_t pid, int *ret_dir, struct err *err)
{
	char path[32];
	struct statfs fs;
	auto_close int dir = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return err_set(err, -errno, "open %s", path);
	if (fstatfs(dir, &fs) < 0)
		return err_set(err, -errno, "stat %s", path);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, ERR_HOST, "/proc is not a proc file system");
	*ret_dir = take_fd(&dir);
	return 0;
}
