/* A process that outlives a restore which is killed: it ends the container, and undoes what was
 * done to files. It also does so for one that fails, and takes away what one that is done needs no
 * more: it has the ids and the capabilities of the container, and sees the root directory without
 * what is mounted in it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_shelf.h"
#include "restore/restore.h"

enum { END_TIMEOUT_MS = 10000, UNDO_TIMEOUT_MS = 30000 };

/* What it is told. */
enum order { ORDER_UNDO = 'u', ORDER_KEEP = 'k' };

/* What it has open: nothing else of ours stays open in a process that waits. */
enum {
	HELD_WORKER,
	HELD_ORDERS,
	HELD_INIT,
	HELD_USER,
	HELD_MOUNTS,
	HELD_ROOT,
	HELD_JOURNAL,
	HELD_END,
	HELD_FREEZER,
	HELD_COUNT,
};

/* -1: whenever that is. */
static bool await_end(int pidfd, int milliseconds)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int r;

	do {
		r = poll(&end, 1, milliseconds);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

static enum order await_order(const int *held)
{
	struct pollfd fds[] = {
		{ .fd = held[HELD_WORKER], .events = POLLIN },
		{ .fd = held[HELD_ORDERS], .events = POLLIN },
	};
	char order;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[1].revents & POLLIN && read(held[HELD_ORDERS], &order, 1) == 1)
		return order;
	return ORDER_UNDO;
}

static void keep_only(int *fds, size_t count)
{
	enum { FIRST = 100 };

	for (size_t i = 0; i < count; i++)
		fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST);
	for (int fd = 0; fd < FIRST; fd++)
		(void)close(fd);
	for (size_t i = 0; i < count; i++) {
		int to = (int)i;

		if (fds[i] >= 0 && dup2(fds[i], to) == to)
			fds[i] = to;
	}
	(void)close_range((unsigned int)count, ~0u, 0);
}

/* With the first task, all tasks end. What v1 has frozen does not even die. */
static bool end_container(const int *held)
{
	(void)syscall(SYS_pidfd_send_signal, held[HELD_INIT], SIGKILL, NULL, 0);
	if (held[HELD_FREEZER] >= 0)
		(void)!write(held[HELD_FREEZER], "THAWED", 6);
	return await_end(held[HELD_INIT], END_TIMEOUT_MS);
}

/* Names of the container's lead to files where its mounts are. In a process of its own: where they
 * are, they cannot be removed from under a mount. */
static void undo_made(const struct restore *rs, const int *held)
{
	pid_t child;

	if (rs->own->shared->made_size == 0)
		return;
	child = fork();
	if (child == 0) {
		int root = -1;

		if (setns(held[HELD_USER], CLONE_NEWUSER) == 0 &&
		    setns(held[HELD_MOUNTS], CLONE_NEWNS) == 0)
			root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root >= 0)
			restore_undo_at(rs, root);
		_exit(0);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The ids that the first task had when it put them there. */
static int settle_files(const struct restore *rs, const int *held, enum order order)
{
	struct restore_shared *shared = rs->own->shared;

	if (held[HELD_JOURNAL] < 0 || held[HELD_ROOT] < 0)
		return 0;
	if (setns(held[HELD_USER], CLONE_NEWUSER) < 0)
		return -errno;
	if (setresgid(shared->files_gid, shared->files_gid, shared->files_gid) < 0 ||
	    setresuid(shared->files_uid, shared->files_uid, shared->files_uid) < 0)
		return -errno;
	return order == ORDER_KEEP
		   ? tree_shelf_keep(held[HELD_ROOT], held[HELD_JOURNAL], &shared->undone)
		   : tree_shelf_undo(held[HELD_ROOT], held[HELD_JOURNAL], &shared->undone);
}

/* A restore that could not say that it was one is none: its container ends, whether its tracer took
 * it along or had let it go. */
static _Noreturn void guard(const struct restore *rs, int *held)
{
	enum order order;
	int r;

	keep_only(held, HELD_COUNT);
	order = await_order(held);
	if (order == ORDER_UNDO) {
		if (!end_container(held))
			_exit(0);
		undo_made(rs, held);
	}
	r = settle_files(rs, held, order);
	rs->own->shared->undone_code = r;
	_exit(0);
}

static int open_of(pid_t pid, const char *name)
{
	auto_free char *path = mem_printf("/proc/%d/ns/%s", pid, name);

	return open(path, O_RDONLY | O_CLOEXEC);
}

int restore_journal_begin(struct restore *rs, int root, int end, struct err *err)
{
	struct restore_guard *guard = &rs->own->guard;

	guard->root = root;
	guard->end = end;
	if (root < 0 || !image_next(rs->image, TAG_FILES, NULL))
		return 0;
	guard->journal = memfd_create("ctckpt-journal", MFD_CLOEXEC);
	return guard->journal < 0 ? err_set(err, -errno, "make a journal") : 0;
}

int restore_take_journal(struct restore *rs)
{
	rs->own->shared->files_uid = geteuid();
	rs->own->shared->files_gid = getegid();
	return rs->own->guard.journal;
}

int restore_guard_begin(struct restore *rs, pid_t init, int init_pidfd, int cgroup_v1,
			struct err *err)
{
	struct restore_guard *own = &rs->own->guard;
	auto_close int freezer =
	    cgroup_v1 < 0 ? -1 : openat(cgroup_v1, "freezer.state", O_WRONLY | O_CLOEXEC);
	auto_close int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	auto_close int user = open_of(init, "user");
	auto_close int mounts = open_of(init, "mnt");
	auto_close int orders = -1;
	sigset_t all;
	sigset_t before;
	int ends[2];

	if (self < 0 || user < 0 || mounts < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "prepare for an end in the middle");
	orders = ends[0];
	own->orders = ends[1];
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	own->pid = fork();
	if (own->pid == 0) {
		int held[HELD_COUNT] = {
			[HELD_WORKER] = self,	       [HELD_ORDERS] = orders,
			[HELD_INIT] = init_pidfd,      [HELD_USER] = user,
			[HELD_MOUNTS] = mounts,	       [HELD_ROOT] = own->root,
			[HELD_JOURNAL] = own->journal, [HELD_END] = own->end,
			[HELD_FREEZER] = freezer,
		};

		guard(rs, held);
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return own->pid < 0 ? err_set(err, -errno, "create a process") : 0;
}

/* ---- what it is told ---- */

static void reap(struct restore_guard *guard)
{
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	guard->pid = 0;
}

static void end(struct restore_guard *guard)
{
	if (guard->pid <= 0)
		return;
	(void)kill(guard->pid, SIGKILL);
	reap(guard);
}

/* What a guard that was killed has not done, is not done. */
static int tell(struct restore *rs, enum order order)
{
	struct restore_guard *guard = &rs->own->guard;
	char byte = (char)order;

	if (guard->pid <= 0)
		return 0;
	rs->own->shared->undone_code = -ECHILD;
	(void)!write(guard->orders, &byte, 1);
	reap(guard);
	return rs->own->shared->undone_code;
}

void restore_guard_keep(struct restore *rs)
{
	const struct tree_undone *undone = &rs->own->shared->undone;
	int r;

	if (rs->own->guard.journal < 0) {
		end(&rs->own->guard);
		return;
	}
	r = tell(rs, ORDER_KEEP);
	if (r < 0)
		restore_note(rs, "what files have replaced is still below the root directory: %s",
			     strerror(-r));
	else if (undone->left > 0)
		restore_note(rs, "what files have replaced is still in /%s", undone->shelf);
}

void restore_guard_undo(struct restore *rs, bool are_made_gone, struct err *err)
{
	const struct tree_undone *undone;
	int r;

	if (!rs->own)
		return;
	if (rs->own->guard.journal < 0) {
		/* Of a first task that is dead, what it made is left to it. */
		if (are_made_gone)
			end(&rs->own->guard);
		return;
	}
	undone = &rs->own->shared->undone;
	r = tell(rs, ORDER_UNDO);
	if (r < 0)
		(void)err_hint(err,
			       "files that were put below the root directory are still there: "
			       "%s",
			       strerror(-r));
	else if (undone->left > 0 && undone->shelf[0])
		(void)err_hint(err,
			       "others have altered files below the root directory meanwhile: "
			       "what could not be put back is in its %s",
			       undone->shelf);
	else if (undone->left > 0)
		(void)err_hint(err,
			       "others have altered files below the root directory meanwhile: "
			       "%zu could not be removed or put back",
			       undone->left);
}

/* ---- in the command ---- */

int restore_guard_watch(int *ret_pipe, struct err *err)
{
	return pipe2(ret_pipe, O_CLOEXEC) < 0 ? err_set(err, -errno, "create a pipe") : 0;
}

void restore_guard_await(int *pipe)
{
	struct pollfd end = { .fd = pipe[0] };

	drop_fd(&pipe[1]);
	while (poll(&end, 1, UNDO_TIMEOUT_MS) < 0 && errno == EINTR)
		;
}

void restore_guard_forget(int *pipe)
{
	drop_fd(&pipe[0]);
	drop_fd(&pipe[1]);
}
