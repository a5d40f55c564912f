/* pidfd: a process or thread of the container, alive, a zombie, or dead and gone. What it refers to
 * must exist first: until then, its number is held by the pidfd of a child that lived for that. */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_pidfd;

/* linux/pidfd.h of 6.15 */
struct pidfd_exit_info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define PIDFD_EXIT_INFO	    8u
#define PIDFD_GET_EXIT_INFO _IOWR(0xff, 11, struct pidfd_exit_info)

#define PIDFD_FLAGS (O_NONBLOCK | O_EXCL) /* PIDFD_NONBLOCK, PIDFD_THREAD */

RECORDS_BEGIN
struct pidfd_rec {
	le32 flags;	/* O_NONBLOCK; O_EXCL: of a thread, not of its process */
	le32 task;	/* id of a task or thread; 0: dead, and nobody's child any more */
	le32 exit_code; /* then: as of wait(2), where the kernel still knows it */
	le32 reserved;	/* zero */
};
RECORDS_END
static_assert(sizeof(struct pidfd_rec) == 16, "image format");

/* 6.9 moved pidfds to a file system of their own, under the old name or "pidfd:[...]". */
static bool pidfd_match(const struct target_fd *fd)
{
	return !(fd->flags & O_PATH) &&
	       (strcmp(fd->link, "anon_inode:[pidfd]") == 0 || strncmp(fd->link, "pidfd:", 6) == 0);
}

static uint32_t exit_code_of(int pidfd)
{
	struct pidfd_exit_info info = { .mask = PIDFD_EXIT_INFO };

	if (ioctl(pidfd, PIDFD_GET_EXIT_INFO, &info) < 0 || !(info.mask & PIDFD_EXIT_INFO))
		return 0;
	return (uint32_t)info.exit_code & 0xff7f;
}

static uint32_t find_task(const struct dump *d, pid_t pid, bool is_thread)
{
	const struct dump_thread *thread = dump_thread_by_tid(d, pid);
	const struct dump_task *task = dump_task_by_pid(d, pid);

	if (is_thread && thread)
		return thread->id;
	return task ? task->id : 0;
}

static int pidfd_dump(struct dump *d, struct err *err)
{
	const char *line = strstr(d->fd->fdinfo, "\nPid:\t");
	struct pidfd_rec rec = { .flags = le32_make(d->fd->flags & PIDFD_FLAGS) };
	int pid;

	if (!line || sscanf(line, "\nPid:\t%d", &pid) != 1)
		return err_set(err, ERR_HOST, "this kernel does not show pidfds");
	if (pid == 0)
		return dump_block(d, "let the program close it",
				  "pidfd of a process outside of the container");
	if (pid < 0)
		rec.exit_code = le32_make(exit_code_of(d->fd->fd));
	else
		rec.task = le32_make(find_task(d, pid, d->fd->flags & O_EXCL));
	if (pid > 0 && le32_get(rec.task) == 0)
		return dump_block(d, "let the program close it",
				  "pidfd of process %d, which is outside of the container", pid);
	dump_record(d, d->fd->id, &kind_pidfd, &rec, sizeof(rec));
	return 0;
}

static int pidfd_check(const void *body, size_t length, struct err *err)
{
	const struct pidfd_rec *rec = body;
	uint32_t code;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "pidfd: %zu bytes", length);
	if ((le32_get(rec->flags) & ~(uint32_t)PIDFD_FLAGS) != 0 || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "pidfd: unknown bits");
	code = le32_get(rec->exit_code);
	if ((code & ~0xff7fu) != 0 || (code & 0x7f && code > 64) ||
	    (code != 0 && le32_get(rec->task) != 0))
		return err_set(err, ERR_DAMAGED, "pidfd: impossible exit code");
	return 0;
}

static int pidfd_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct pidfd_rec *rec = record->body;
	uint32_t id = le32_get(rec->task);

	if (id != 0 && !image_find(image, TAG_TASK, id) &&
	    !(le32_get(rec->flags) & O_EXCL && image_find(image, TAG_REGISTERS, id)))
		return err_set(err, ERR_DAMAGED, "pidfd: of no task");
	return 0;
}

/* In the child. */
__attribute__((noreturn)) static void end_as(uint32_t exit_code)
{
	int signal_number = (int)(exit_code & 0x7f);

	(void)prctl(PR_SET_DUMPABLE, 0); /* no core file */
	if (signal_number != 0) {
		(void)signal(signal_number, SIG_DFL);
		(void)raise(signal_number);
	}
	_exit((int)(exit_code >> 8));
}

static bool is_fatal(uint32_t signal_number)
{
	return signal_number != SIGSTOP && signal_number != SIGTSTP && signal_number != SIGTTIN &&
	       signal_number != SIGTTOU;
}

/* A pidfd of a child that has ended, and has been waited for. */
static int open_dead(const struct pidfd_rec *rec, int *ret_fd, struct err *err)
{
	uint32_t exit_code = le32_get(rec->exit_code);
	siginfo_t info;
	pid_t child;

	if (!is_fatal(exit_code & 0x7f))
		exit_code = 0;
	/* No signal tells of its end, and our tracer does not stop it. */
	child = (pid_t)syscall(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
	if (child < 0)
		return err_set(err, -errno, "create a process for a pidfd");
	if (child == 0)
		end_as(exit_code);
	*ret_fd = (int)syscall(SYS_pidfd_open, child, le32_get(rec->flags) & PIDFD_FLAGS);
	/* A kernel before 6.9 has none of threads: nobody would know, it is only held. */
	if (*ret_fd < 0)
		*ret_fd = (int)syscall(SYS_pidfd_open, child, 0);
	if (*ret_fd < 0)
		(void)err_set(err, -errno, "open a pidfd");
	if (waitid(P_PID, (id_t)child, &info, WEXITED | __WALL) < 0)
		return err_set(err, -errno, "wait for a process");
	return *ret_fd < 0 ? err->code : 0;
}

static int pidfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	auto_close int fd = -1;
	int r = open_dead(record->body, &fd, err);

	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

static int pidfd_replace(struct restore *rs, const struct record *record, int *ret_fd,
			 struct err *err)
{
	const struct pidfd_rec *rec = record->body;
	pid_t pid = restore_outer_pid(rs, le32_get(rec->task));

	if (le32_get(rec->task) == 0)
		return 0;
	*ret_fd = (int)syscall(SYS_pidfd_open, pid, le32_get(rec->flags) & PIDFD_FLAGS);
	if (*ret_fd < 0)
		return err_set(err, -errno, "open a pidfd");
	return 0;
}

const struct kind kind_pidfd = {
	.name = "pidfd",
	.summary = "pidfds of processes and threads, also dead ones",
	.tag = TAG('P', 'I', 'D', 'F'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = pidfd_match,
	.dump = pidfd_dump,
	.check = pidfd_check,
	.link = pidfd_link,
	.restore = pidfd_restore,
	.replace = pidfd_replace,
};
