/* fanotify: marks on a directory, files, an open deleted file, with ignore masks. With an argument:
 * events that nobody has read. */
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

#include "victim.h"

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

/* What a kernel may lack, or deny; so does a file system without handles. */
static int make_group(unsigned int flags)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | flags, O_RDONLY);

	if (fd < 0)
		victim_write("missing", "");
	EXPECT(fd >= 0);
	return fd;
}

static void mark(int group, unsigned int flags, uint64_t mask, const char *path)
{
	int r = fanotify_mark(group, FAN_MARK_ADD | flags, mask, AT_FDCWD, path);

	if (r < 0 && (errno == ENODEV || errno == EOPNOTSUPP || errno == EXDEV))
		victim_write("missing", "");
	EXPECT(r == 0);
}

static int size_of(int group)
{
	int size;

	EXPECT(ioctl(group, FIONREAD, &size) == 0);
	return size;
}

/* Exactly one event is there, with this mask, and it tells of the file with this handle. */
static void expect_event(int group, uint64_t mask, const char *path)
{
	union {
		struct fanotify_event_metadata head;
		char bytes[4096];
	} all;
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} named = { .handle.handle_bytes = MAX_HANDLE_SZ };
	ssize_t size = read(group, &all, sizeof(all));
	int mount;

	EXPECT(size >= (ssize_t)sizeof(all.head));
	EXPECT(size == (ssize_t)all.head.event_len && all.head.mask == mask);
	if (!path)
		return;
	EXPECT(name_to_handle_at(AT_FDCWD, path, &named.handle, &mount, 0) == 0);
	EXPECT(memmem(all.bytes, (size_t)size, named.handle.f_handle, named.handle.handle_bytes));
}

int main(int argc, char **argv)
{
	int group = make_group(FAN_REPORT_FID | FAN_NONBLOCK | FAN_CLOEXEC);
	int names = make_group(FAN_REPORT_DFID_NAME);
	int empty = make_group(FAN_REPORT_FID);
	int deleted = file_make("deleted");
	int quiet = file_make("quiet");
	int file = file_make("file");
	bool is_unread = argc == 2 && strcmp(argv[1], "unread") == 0;

	EXPECT(mkdir(file_path("dir"), 0700) == 0);
	mark(group, 0, FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_EVENT_ON_CHILD | FAN_ONDIR,
	     file_path("dir"));
	mark(group, 0, FAN_MODIFY | FAN_ATTRIB, file_path("file"));
	mark(group, 0, FAN_MODIFY, file_path("deleted"));
	mark(group, 0, FAN_MODIFY | FAN_ATTRIB, file_path("quiet"));
	mark(group, FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_MODIFY,
	     file_path("quiet"));
	mark(names, 0, FAN_MODIFY | FAN_OPEN, file_path("file"));
	mark(names, 0, FAN_CREATE, file_path("dir"));
	EXPECT(unlink(file_path("deleted")) == 0);
	EXPECT(write(file, "x", 1) == 1);
	expect_event(group, FAN_MODIFY, file_path("file"));
	expect_event(names, FAN_MODIFY, victim_dir());
	if (is_unread)
		EXPECT(write(file, "x", 1) == 1);

	wait_for_restore();

	EXPECT(fcntl(group, F_GETFL) & O_NONBLOCK && fcntl(group, F_GETFD) == FD_CLOEXEC);
	EXPECT(!(fcntl(names, F_GETFL) & O_NONBLOCK) && fcntl(names, F_GETFD) == 0);
	if (is_unread)
		victim_done();
	EXPECT(size_of(group) == 0 && size_of(names) == 0 && size_of(empty) == 0);
	EXPECT(write(file, "x", 1) == 1);
	expect_event(group, FAN_MODIFY, file_path("file"));
	expect_event(names, FAN_MODIFY, victim_dir());
	EXPECT(write(deleted, "x", 1) == 1);
	expect_event(group, FAN_MODIFY, NULL);
	EXPECT(write(quiet, "x", 1) == 1 && size_of(group) == 0);
	EXPECT(fchmod(quiet, 0644) == 0);
	expect_event(group, FAN_ATTRIB, file_path("quiet"));
	EXPECT(mkdir(file_path("dir/sub"), 0700) == 0);
	expect_event(group, FAN_CREATE | FAN_ONDIR, file_path("dir"));
	EXPECT(size_of(names) == 0);
	EXPECT(close(file_make("dir/new")) == 0);
	expect_event(group, FAN_CREATE, file_path("dir"));
	expect_event(names, FAN_CREATE, file_path("dir"));
	EXPECT(fanotify_mark(group, FAN_MARK_REMOVE, FAN_ATTRIB, AT_FDCWD, file_path("file")) == 0);
	victim_done();
}
