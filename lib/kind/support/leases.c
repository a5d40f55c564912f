/* Files that must not be opened. See leases.h. */
#include "kind/support/leases.h"

#include <errno.h>
#include <fcntl.h>

#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/lock_lines.h"

static bool has_write_lease(const struct target_fd *file)
{
	const char *at = file->fdinfo;
	struct lock_line line;

	while (lock_line_next(&at, &line)) {
		if (line.type == FILE_LOCK_LEASE && line.is_write)
			return true;
	}
	return false;
}

const struct target_fd *lease_holder(const struct dump *d, const struct stat *stat)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];

		if (file->stat.st_dev == stat->st_dev && file->stat.st_ino == stat->st_ino &&
		    has_write_lease(file))
			return file;
	}
	return NULL;
}

int lease_duplicate(const struct dump *d, const struct stat *stat)
{
	const struct target_fd *holder = lease_holder(d, stat);
	int fd;

	if (!holder)
		return -ENOENT;
	if (!file_can_read(holder->flags))
		return -EWOULDBLOCK;
	fd = fcntl(holder->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}
