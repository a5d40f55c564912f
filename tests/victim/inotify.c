/* inotify: watches on directories, files, links and deleted files, under numbers with gaps. With an
 * argument: what cannot be saved, or events that nobody has read. */
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "victim.h"

enum { NUMBER_HIGH = 70000 };

static const char *file_path(const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, PATH_MAX, "%s/%s", victim_dir(), name);
	return path;
}

static int file_make(const char *name)
{
	int fd = open(file_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(fd >= 0);
	return fd;
}

static void dir_make(const char *name)
{
	EXPECT(mkdir(file_path(name), 0700) == 0);
}

static void watch(int inotify, const char *path, uint32_t mask, int number)
{
	EXPECT(inotify_add_watch(inotify, path, mask) == number);
}

/* Uses up numbers. */
static void skip(int inotify, int first, int last)
{
	char events[65536];

	for (int i = first; i <= last; i++) {
		watch(inotify, file_path("scratch"), IN_MODIFY, i);
		EXPECT(inotify_rm_watch(inotify, i) == 0);
		if (i % 1000 == 0 || i == last)
			EXPECT(read(inotify, events, sizeof(events)) > 0);
	}
}

static int queue_size(int inotify)
{
	int size;

	EXPECT(ioctl(inotify, FIONREAD, &size) == 0);
	return size;
}

/* Exactly this one event is there. */
static void expect_event(int inotify, int number, uint32_t mask, const char *name)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} all;
	ssize_t size = read(inotify, &all, sizeof(all));

	EXPECT(size >= (ssize_t)sizeof(all.event));
	if (size != (ssize_t)(sizeof(all.event) + all.event.len)) {
		const struct inotify_event *next =
		    (const void *)(all.bytes + sizeof(all.event) + all.event.len);

		victim_fail("event %#x of watch %d, then %#x of %d", all.event.mask, all.event.wd,
			    next->mask, next->wd);
	}
	if (all.event.wd != number || all.event.mask != mask)
		victim_fail("event %#x of watch %d, not %#x of %d", all.event.mask, all.event.wd,
			    mask, number);
	EXPECT(strcmp(all.event.len ? all.event.name : "", name) == 0);
}

static void expect_events(int inotify, int first, uint32_t first_mask, int second,
			  uint32_t second_mask)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} all;
	const struct inotify_event *next;
	ssize_t size = read(inotify, &all, sizeof(all));

	EXPECT(size >= (ssize_t)(2 * sizeof(all.event)));
	next = (const void *)(all.bytes + sizeof(all.event) + all.event.len);
	EXPECT(all.event.wd == first && all.event.mask == first_mask);
	EXPECT(next->wd == second && next->mask == second_mask);
	EXPECT(queue_size(inotify) == 0);
}

static void lose_events(void)
{
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	dir_make("dir");
	watch(inotify, file_path("dir"), IN_CREATE, 1);
	EXPECT(close(file_make("dir/unread")) == 0 && queue_size(inotify) > 0);
	wait_for_restore();
	expect_event(inotify, -1, IN_Q_OVERFLOW, "");
	EXPECT(close(file_make("dir/new")) == 0);
	expect_event(inotify, 1, IN_CREATE, "new");
	EXPECT(inotify_add_watch(inotify, file_path("dir/new"), IN_MODIFY) > 1);
	victim_done();
}

/* Nothing leads there but a walk. */
static void watch_deep(void)
{
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int fd;

	dir_make("a");
	dir_make("a/b");
	dir_make("a/b/c");
	dir_make("a/z");
	fd = file_make("a/b/c/deep");
	watch(inotify, file_path("a/b/c/deep"), IN_MODIFY, 1);
	EXPECT(write(fd, "x", 1) == 1 && close(fd) == 0);
	expect_event(inotify, 1, IN_MODIFY, "");
	wait_for_restore();
	fd = file_make("a/b/c/deep");
	EXPECT(write(fd, "y", 1) == 1);
	expect_event(inotify, 1, IN_MODIFY, "");
	victim_done();
}

/* A deleted file that nothing but a mapping holds on to. */
static void watch_lost(void)
{
	int inotify = inotify_init1(IN_CLOEXEC);
	int fd = file_make("lost");

	EXPECT(ftruncate(fd, 4096) == 0);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	watch(inotify, file_path("lost"), IN_MODIFY, 1);
	EXPECT(unlink(file_path("lost")) == 0 && close(fd) == 0);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	int inotify, empty, open_fd, deleted, gone;

	EXPECT(close(file_make("other")) == 0 && close(file_make("scratch")) == 0);
	if (argc == 2 && strcmp(argv[1], "unread") == 0)
		lose_events();
	if (argc == 2 && strcmp(argv[1], "deep") == 0)
		watch_deep();
	if (argc == 2)
		watch_lost();
	inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	empty = inotify_init1(0);
	dir_make("dir");
	EXPECT(symlink("nowhere", file_path("link")) == 0);
	open_fd = file_make("open");
	deleted = file_make("dir/deleted");
	gone = file_make("watched");
	watch(inotify, file_path("open"), IN_MODIFY | IN_ATTRIB | IN_OPEN | IN_CLOSE, 1);
	watch(inotify, file_path("watched"), IN_MODIFY, 2);
	EXPECT(unlink(file_path("dir/deleted")) == 0 && unlink(file_path("watched")) == 0);
	EXPECT(write(deleted, "content", 7) == 7 && write(gone, "content", 7) == 7);
	expect_event(inotify, 2, IN_MODIFY, "");
	skip(inotify, 3, 9);
	/* Others may walk the file system, and read it. */
	watch(inotify, file_path("dir"), IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE),
	      10);
	watch(inotify, file_path("link"), IN_MOVE_SELF | IN_DONT_FOLLOW, 11);
	watch(inotify, file_path("other"), IN_ATTRIB | IN_ONESHOT, 12);
	dir_make("quiet");
	watch(inotify, file_path("quiet"), IN_CREATE | IN_EXCL_UNLINK, 13);
	skip(inotify, 14, NUMBER_HIGH - 1);
	dir_make("last");
	watch(inotify, file_path("last"), IN_MOVED_TO, NUMBER_HIGH);

	wait_for_restore();

	EXPECT(fcntl(empty, F_GETFL) == O_RDONLY && fcntl(inotify, F_GETFL) == O_NONBLOCK);
	EXPECT(fcntl(empty, F_GETFD) == 0 && fcntl(inotify, F_GETFD) == FD_CLOEXEC);
	EXPECT(queue_size(empty) == 0);
	if (queue_size(inotify) != 0)
		expect_event(inotify, 0, 0, "none");
	EXPECT(write(open_fd, "x", 1) == 1);
	expect_event(inotify, 1, IN_MODIFY, "");
	EXPECT(pwrite(gone, "x", 1, 0) == 1);
	expect_event(inotify, 2, IN_MODIFY, "");
	EXPECT(mkdir(file_path("dir/new"), 0700) == 0);
	expect_event(inotify, 10, IN_CREATE | IN_ISDIR, "new");
	EXPECT(rename(file_path("link"), file_path("moved")) == 0);
	expect_event(inotify, 11, IN_MOVE_SELF, "");
	EXPECT(rename(file_path("dir/new"), file_path("last/new")) == 0);
	expect_events(inotify, 10, IN_MOVED_FROM | IN_ISDIR, NUMBER_HIGH, IN_MOVED_TO | IN_ISDIR);
	EXPECT(chmod(file_path("other"), 0644) == 0);
	expect_events(inotify, 12, IN_ATTRIB, 12, IN_IGNORED);
	EXPECT(inotify_rm_watch(inotify, 13) == 0);
	expect_event(inotify, 13, IN_IGNORED, "");
	EXPECT(inotify_add_watch(inotify, file_path("open"), IN_MODIFY) == 1);
	victim_done();
}
