/* Numbers and events of an inotify. See inotify_queue.h. */
#include "kind/support/inotify_queue.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"

enum { SKIP_BATCH = 4096, QUEUE_MAX = 1 << 20 };

/* A file of ours that nobody else watches. */
static int make_scratch(int *ret_fd, char **ret_path, struct err *err)
{
	int fd = memfd_create("watched", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "create a file to watch");
	*ret_fd = fd;
	*ret_path = mem_printf("/proc/self/fd/%d", fd);
	return 0;
}

bool inotify_shows_flags(void)
{
	auto_close int inotify = inotify_init1(IN_CLOEXEC);
	auto_free char *info = mem_printf("/proc/self/fdinfo/%d", inotify);
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = NULL;
	auto_close int scratch = -1;
	struct err ignored = ERR_NONE;
	const char *mask;

	if (inotify < 0 || make_scratch(&scratch, &path, &ignored) < 0 ||
	    inotify_add_watch(inotify, path, IN_MODIFY | IN_ONESHOT) < 0 ||
	    procfs_read(AT_FDCWD, info, &text, &ignored) < 0)
		return false;
	mask = strstr(text.data, " mask:");
	return mask && (strtoul(mask + strlen(" mask:"), NULL, 16) & IN_ONESHOT);
}

/* Readable bytes; the target may have given the inotify to others: it must not block us. */
static int queue_size(int inotify, struct err *err)
{
	int size = 0;

	if (ioctl(inotify, FIONREAD, &size) < 0)
		return err_set(err, -errno, "look at the events of inotify");
	return size;
}

/* Reads at most `size` bytes of events that are there. */
static int read_events(int inotify, size_t size, struct err *err)
{
	auto_free char *events = mem_alloc(size + 1, 1);

	if (read(inotify, events, size) < 0 && errno != EAGAIN)
		return err_set(err, -errno, "read the events of inotify");
	return 0;
}

int inotify_drain(int inotify, struct err *err)
{
	int size = queue_size(inotify, err);

	if (size <= 0)
		return size;
	return read_events(inotify, (size_t)size, err);
}

int inotify_skip_numbers(int inotify, uint32_t next, uint32_t number, struct err *err)
{
	auto_free char *path = NULL;
	auto_close int scratch = -1;
	int r = next < number ? make_scratch(&scratch, &path, err) : 0;

	for (uint32_t i = next; r == 0 && i < number; i++) {
		int watch = inotify_add_watch(inotify, path, IN_MOVE_SELF);

		if (watch < 0 || inotify_rm_watch(inotify, watch) < 0)
			return err_set(err, -errno, "use up watch %u", i);
		if ((uint32_t)watch != i)
			return err_set(err, ERR_HOST, "this kernel numbers watches differently");
		if (i % SKIP_BATCH == 0 || i == number - 1)
			r = inotify_drain(inotify, err);
	}
	return r;
}

static int queue_limit(uint32_t *ret_limit, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(AT_FDCWD, "/proc/sys/fs/inotify/max_queued_events", &text, err);

	if (r < 0)
		return r;
	*ret_limit = (uint32_t)strtoul(text.data, NULL, 10);
	if (*ret_limit > QUEUE_MAX)
		return err_set(err, ERR_HOST, "fs.inotify.max_queued_events is above %d",
			       QUEUE_MAX);
	return 0;
}

/* Two files: equal events in a row count as one. */
struct pair {
	int inotify; /* borrowed */
	int files[2];
	int watches[2];
};

static void pair_free(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		if (pair->watches[i] >= 0)
			(void)inotify_rm_watch(pair->inotify, pair->watches[i]);
		drop_fd(&pair->files[i]);
	}
}

static int watch_pair(struct pair *pair, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		auto_free char *path = NULL;
		int r = make_scratch(&pair->files[i], &path, err);

		if (r < 0)
			return r;
		pair->watches[i] = inotify_add_watch(pair->inotify, path, IN_ATTRIB);
		if (pair->watches[i] < 0)
			return err_set(err, -errno, "watch a file");
	}
	return 0;
}

/* That the watches are gone is not told while the queue is full. */
static int fill(int inotify, uint32_t limit, struct err *err)
{
	auto_with(pair_free) struct pair pair = { inotify, { -1, -1 }, { -1, -1 } };
	int r = watch_pair(&pair, err);

	for (uint32_t i = 0; r == 0 && i < limit + 2; i++) {
		if (fchmod(pair.files[i % 2], 0600) < 0)
			r = err_set(err, -errno, "cause an event");
	}
	return r;
}

int inotify_overflow(int inotify, struct err *err)
{
	uint32_t limit = 0;
	int size = 0;
	int r = queue_limit(&limit, err);

	if (r == 0)
		r = fill(inotify, limit, err);
	if (r == 0)
		r = size = queue_size(inotify, err);
	/* The last event says that there were more. */
	while (r >= 0 && size > (int)sizeof(struct inotify_event)) {
		r = read_events(inotify, (size_t)size - sizeof(struct inotify_event), err);
		if (r == 0)
			r = size = queue_size(inotify, err);
	}
	return r < 0 ? r : 0;
}
