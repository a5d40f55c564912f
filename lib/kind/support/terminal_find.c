/* Which descriptors are ends of the container's own pseudo-terminals, and of which. See terminal.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/terminal.h"

enum { SLAVE_MAJOR = 136, AUXILIARY_MAJOR = 5, MINOR_TTY = 0, MINOR_PTMX = 2 };

/* ---- the container's devpts ---- */

struct mounts {
	struct mountinfo *list;
	size_t count;
};

static void mounts_free(struct mounts *mounts)
{
	mountinfo_free(mounts->list, mounts->count);
}

static bool read_mounts(int proc, const char *path, struct mounts *mounts)
{
	struct err err = ERR_NONE;
	auto_buf struct buf text = BUF_EMPTY;

	return procfs_read(proc, path, &text, &err) == 0 &&
	       mountinfo_parse(text.data ? text.data : "", &mounts->list, &mounts->count, &err) ==
		   0;
}

static bool has_device(const struct mounts *mounts, dev_t device)
{
	for (size_t i = 0; i < mounts->count; i++) {
		if (makedev(mounts->list[i].dev_major, mounts->list[i].dev_minor) == device)
			return true;
	}
	return false;
}

/* The one that /dev/pts shows, if nobody outside can see it. */
static bool find_devpts(const struct mounts *mounts, dev_t *ret_device)
{
	auto_with(mounts_free) struct mounts own = { NULL, 0 };
	bool is_found = false;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mountinfo *mount = &mounts->list[i];

		if (strcmp(mount->point, "/dev/pts") != 0)
			continue;
		is_found = strcmp(mount->type, "devpts") == 0 && strcmp(mount->root, "/") == 0;
		*ret_device = makedev(mount->dev_major, mount->dev_minor);
	}
	return is_found && read_mounts(AT_FDCWD, "/proc/self/mountinfo", &own) &&
	       !has_device(&own, *ret_device);
}

/* ---- the ends ---- */

/* Any node of the number of /dev/ptmx leads to the devpts beside it: in this container there is one
 * such place. */
static bool is_opened_inside(const struct target_fd *fd, const struct mounts *mounts)
{
	uint64_t id;

	if (strcmp(fd->link, "/dev/ptmx") != 0 || !procfs_field(fd->fdinfo, "mnt_id", 10, &id))
		return false;
	for (size_t i = 0; i < mounts->count; i++) {
		if (mounts->list[i].id == id)
			return true;
	}
	return false;
}

static int open_slave_by_name(const struct dump_task *task, uint32_t index, dev_t device)
{
	char path[64];
	auto_close int place = -1;
	struct stat st;

	(void)snprintf(path, sizeof(path), "root/dev/pts/%u", index);
	place = openat(task->proc, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0 || fstat(place, &st) < 0 || st.st_dev != device || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(SLAVE_MAJOR, index))
		return -ENOENT;
	return file_open_again(place, O_RDWR);
}

/* Two descriptions of one slave share its exclusive mode. */
static bool is_same_slave(int one, int other)
{
	int before = 0;
	int seen = 0;
	bool is_same;

	if (ioctl(other, TIOCGEXCL, &before) < 0 || ioctl(one, TIOCGEXCL, &seen) < 0 ||
	    seen != before || ioctl(other, before ? TIOCNXCL : TIOCEXCL) < 0)
		return false;
	is_same = ioctl(one, TIOCGEXCL, &seen) == 0 && seen != before;
	(void)ioctl(other, before ? TIOCEXCL : TIOCNXCL);
	return is_same;
}

/* /dev/tty, as it was opened, says the number only, which is another terminal's elsewhere. */
static bool identify_tty(const struct target_fd *fd, dev_t devpts, uint32_t *ret_index)
{
	unsigned int device;
	auto_close int slave = -1;

	if (ioctl(fd->fd, TIOCGDEV, &device) < 0 || major(device) != SLAVE_MAJOR)
		return false;
	*ret_index = minor(device);
	slave = open_slave_by_name(fd->task, *ret_index, devpts);
	return slave >= 0 && is_same_slave(fd->fd, slave);
}

static bool is_tty_number(dev_t number)
{
	return major(number) == SLAVE_MAJOR ||
	       (major(number) == AUXILIARY_MAJOR &&
		(minor(number) == MINOR_TTY || minor(number) == MINOR_PTMX));
}

bool pty_identify(const struct target_fd *fd, enum pty_end *ret_end, uint32_t *ret_index)
{
	auto_with(mounts_free) struct mounts mounts = { NULL, 0 };
	dev_t number = fd->stat.st_rdev;
	dev_t devpts;

	if (!S_ISCHR(fd->stat.st_mode) || (fd->flags & O_PATH) || !is_tty_number(number) ||
	    !read_mounts(fd->task->proc, "mountinfo", &mounts) || !find_devpts(&mounts, &devpts))
		return false;
	if (major(number) == SLAVE_MAJOR) {
		*ret_end = PTY_SLAVE;
		*ret_index = minor(number);
		return fd->stat.st_dev == devpts;
	}
	*ret_end = minor(number) == MINOR_PTMX ? PTY_MASTER : PTY_CONTROLLING;
	if (*ret_end == PTY_CONTROLLING)
		return identify_tty(fd, devpts, ret_index);
	return ioctl(fd->fd, TIOCGPTN, ret_index) == 0 &&
	       (fd->stat.st_dev == devpts || is_opened_inside(fd, &mounts));
}

/* ---- pairs ---- */

static void scan(const struct dump *d, struct dump_terminals *terminals)
{
	for (size_t i = 0; i < d->own->file_count; i++) {
		struct dump_terminal_end end = { .file = &d->own->files[i] };

		if (!pty_identify(end.file, &end.end, &end.index))
			continue;
		array_grow(terminals->ends, terminals->end_count);
		terminals->ends[terminals->end_count++] = end;
	}
	terminals->is_scanned = true;
}

void dump_terminals_free(struct dump_terminals *terminals)
{
	for (size_t i = 0; i < terminals->count; i++)
		drop_fd(&terminals->pairs[i].slave);
	free(terminals->pairs);
	free(terminals->ends);
}

/* The first description of this end; NULL: there is none. */
static const struct target_fd *find_end(const struct dump_terminals *terminals, enum pty_end end,
					uint32_t index)
{
	for (size_t i = 0; i < terminals->end_count; i++) {
		if (terminals->ends[i].end == end && terminals->ends[i].index == index)
			return terminals->ends[i].file;
	}
	return NULL;
}

bool terminal_is_hung_up(int slave)
{
	struct winsize size;

	return ioctl(slave, TIOCGWINSZ, &size) < 0 && errno == EIO;
}

static int open_beside(const struct target_fd *any, const struct dump_terminal *pair)
{
	auto_with(mounts_free) struct mounts mounts = { NULL, 0 };
	dev_t devpts;

	if (pair->master >= 0) {
		int slave =
		    ioctl(pair->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

		return slave < 0 ? -errno : slave;
	}
	if (!read_mounts(any->task->proc, "mountinfo", &mounts) || !find_devpts(&mounts, &devpts))
		return -ENOENT;
	return open_slave_by_name(any->task, pair->index, devpts);
}

/* A description of ours, which never waits. The mode that forbids it is put aside. */
static int open_slave(const struct target_fd *any, const struct target_fd *slave,
		      const struct dump_terminal *pair)
{
	int is_exclusive = 0;
	int fd;

	if (slave && ioctl(slave->fd, TIOCGEXCL, &is_exclusive) == 0 && is_exclusive)
		(void)ioctl(slave->fd, TIOCNXCL);
	fd = open_beside(any, pair);
	if (is_exclusive)
		(void)ioctl(slave->fd, TIOCEXCL);
	return fd;
}

/* Once the last description of the slave is closed, its master hangs up. */
static bool is_untouched(int master)
{
	struct pollfd polled = { .fd = master };

	return poll(&polled, 1, 0) >= 0 && !(polled.revents & POLLHUP);
}

/* False: it cannot be saved, and that was said. */
static bool open_pair(struct dump *d, const struct dump_terminals *terminals,
		      struct dump_terminal *pair)
{
	const struct target_fd *master = find_end(terminals, PTY_MASTER, pair->index);
	const struct target_fd *slave = find_end(terminals, PTY_SLAVE, pair->index);
	const struct target_fd *controlling = find_end(terminals, PTY_CONTROLLING, pair->index);
	int fd;

	if (master) {
		pair->master = master->fd;
		pair->master_file = master->id;
	}
	if (!slave)
		slave = controlling;
	pair->is_hung_up = slave && terminal_is_hung_up(slave->fd);
	if (pair->is_hung_up && master) {
		(void)dump_block(d, NULL, "terminal /dev/pts/%u was hung up, and is in use again",
				 pair->index);
		return false;
	}
	if (pair->is_hung_up || (!slave && is_untouched(pair->master)))
		return true;
	fd = open_slave(d->fd, slave, pair);
	if (fd < 0)
		(void)dump_block(d, NULL, "terminal /dev/pts/%u cannot be opened: %s", pair->index,
				 strerror(-fd));
	else
		pair->slave = fd;
	return fd >= 0;
}

int terminal_at(struct dump *d, uint32_t index, uint32_t *ret_id, struct err *err)
{
	struct dump_terminals *terminals = dump_terminals(d);
	struct dump_terminal *pair;

	if (!terminals->is_scanned)
		scan(d, terminals);
	for (size_t i = 0; i < terminals->count; i++) {
		if (terminals->pairs[i].index == index) {
			*ret_id = terminals->pairs[i].id;
			return 0;
		}
	}
	array_grow(terminals->pairs, terminals->count);
	pair = &terminals->pairs[terminals->count++];
	*pair = (struct dump_terminal){
		.id = dump_new_id(d), .index = index, .master = -1, .slave = -1
	};
	*ret_id = pair->id;
	return open_pair(d, terminals, pair) ? terminal_save(d, pair, err) : 0;
}
