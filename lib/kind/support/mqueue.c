/* POSIX message queues: their file system, and copies of their messages. See mqueue.h. */
#include "kind/support/mqueue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "dump/dump.h"

enum {
	MQUEUE_MAGIC = 0x19800202, /* fs/super.h of the kernel; not in <linux/magic.h> */
	COPY_MAX = 64 << 20,	   /* bytes of one queue */
};

bool mqueue_is(const struct target_fd *fd)
{
	struct statfs fs;

	return S_ISREG(fd->stat.st_mode) && !(fd->flags & O_PATH) && fstatfs(fd->fd, &fs) == 0 &&
	       fs.f_type == MQUEUE_MAGIC;
}

/* ---- the file system ---- */

struct mounting {
	int dir;
	struct err err;
};

/* Whoever mounts needs a mount namespace of its own: this thread gets one. */
static void *mount_in_thread(void *argument)
{
	struct mounting *mounting = argument;
	auto_close int context = -1;
	auto_close int root = -1;

	if (unshare(CLONE_NEWNS) < 0) {
		(void)err_set(&mounting->err, -errno, "make a mount namespace");
		return NULL;
	}
	context = (int)syscall(SYS_fsopen, "mqueue", FSOPEN_CLOEXEC);
	if (context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	/* What fsmount(2) gives is a mere place. */
	if (root >= 0)
		mounting->dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mounting->dir < 0)
		(void)err_set(&mounting->err, -errno, "mount message queues");
	return NULL;
}

int mqueue_mount(int *ret_dir, struct err *err)
{
	struct mounting mounting = { .dir = -1, .err = ERR_NONE };
	pthread_t thread;
	int r = pthread_create(&thread, NULL, mount_in_thread, &mounting);

	if (r != 0)
		return err_set(err, -r, "start a thread");
	(void)pthread_join(thread, NULL);
	if (mounting.dir < 0) {
		*err = mounting.err;
		return err->code;
	}
	*ret_dir = mounting.dir;
	return 0;
}

/* ---- messages ---- */

/* Shared with the process that copies. */
struct copy {
	size_t room;
	size_t size;
	int error;
	char messages[];
};

static size_t up(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static int take_all(int fd, size_t largest, struct copy *copy)
{
	auto_free char *text = mem_alloc(1, largest);

	for (;;) {
		unsigned int priority;
		ssize_t n = mq_receive(fd, text, largest, &priority);
		struct mqueue_message_rec rec;

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		rec = (struct mqueue_message_rec){ .priority = le32_make(priority),
						   .size = le32_make((uint32_t)n) };
		if (copy->size + sizeof(rec) + up((size_t)n) > copy->room)
			return mq_send(fd, text, (size_t)n, priority) < 0 ? -errno : -E2BIG;
		memcpy(copy->messages + copy->size, &rec, sizeof(rec));
		memcpy(copy->messages + copy->size + sizeof(rec), text, (size_t)n);
		copy->size += sizeof(rec) + up((size_t)n);
	}
}

/* In the order in which they came: of one priority, the first is received first. */
static int put_back(int fd, const struct copy *copy)
{
	struct reader reader = reader_of(copy->messages, copy->size);
	const struct mqueue_message_rec *rec;
	int r = 0;

	while ((rec = reader_take(&reader, sizeof(*rec)))) {
		const char *text = reader_take(&reader, up(le32_get(rec->size)));

		if (mq_send(fd, text, le32_get(rec->size), le32_get(rec->priority)) < 0)
			r = -errno;
	}
	return r;
}

__attribute__((noreturn)) static void copy_process(int fd, size_t largest, struct copy *copy)
{
	int r = take_all(fd, largest, copy);
	int late = put_back(fd, copy);

	copy->error = r < 0 ? r : late;
	_exit(0);
}

static int run_copy(int fd, size_t largest, struct copy *copy, struct err *err)
{
	sigset_t all;
	sigset_t before;
	pid_t child;
	int status = -1;

	/* Nothing but SIGKILL, and that to this process alone, comes between. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0)
		copy_process(fd, largest, copy);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return err_set(err, -errno, "copy a message queue");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return err_set(err, ERR_FAILED, "the process that copies a message queue died");
	if (copy->error < 0)
		return err_set(err, copy->error, "copy a message queue");
	return 0;
}

int mqueue_copy(int fd, struct buf *messages, struct err *err)
{
	char text[256] = "";
	struct mq_attr attr;
	struct copy *copy;
	uint64_t bytes = 0;
	size_t size;
	int r;

	if (mq_getattr(fd, &attr) < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
		return err_set(err, -errno, "look at a message queue");
	if (attr.mq_curmsgs == 0)
		return 0;
	if (!procfs_field(text, "QSIZE", 10, &bytes) || bytes > COPY_MAX)
		return err_set(err, ERR_REFUSED, "a message queue holds more than %d bytes",
			       COPY_MAX);
	size = sizeof(*copy) + bytes + 16 * (size_t)attr.mq_curmsgs;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return err_set(err, -errno, "map %zu bytes", size);
	copy->room = size - sizeof(*copy);
	r = run_copy(fd, (size_t)attr.mq_msgsize, copy, err);
	if (r == 0)
		(void)buf_append(messages, copy->messages, copy->size);
	(void)munmap(copy, size);
	return r;
}
