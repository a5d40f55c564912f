/* A child process that works in a network namespace, or in a place without files. What it has to
 * say comes through a pipe; it ends with its work, and with us. See net.h. */
#include "kind/support/net.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"

/* In front of what the work appended. */
struct reply {
	int result;
	struct err err;
};

enum { CHILD_ANSWER_MAX = NET_CONTENT_MAX * 2 };

/* Where we are in it already, no privilege is needed. */
static bool is_entered(int fd)
{
	struct stat wanted;
	struct stat own;

	return fstat(fd, &wanted) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	       wanted.st_dev == own.st_dev && wanted.st_ino == own.st_ino;
}

static _Noreturn void child_main(int out, int fd, pid_t parent,
				 int (*work)(void *, struct buf *, struct err *), void *argument)
{
	auto_buf struct buf answer = BUF_EMPTY;
	struct reply reply = { .err = ERR_NONE };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (fd >= 0 && !is_entered(fd) && setns(fd, CLONE_NEWNET) < 0)
		reply.result = err_set(&reply.err, -errno, "enter the network namespace");
	else
		reply.result = work(argument, &answer, &reply.err);
	if (sys_write_all(out, &reply, sizeof(reply)) < 0 ||
	    sys_write_all(out, answer.data, answer.size) < 0)
		_exit(1);
	_exit(0);
}

static int read_all(int fd, struct buf *out, struct err *err)
{
	char piece[65536];
	ssize_t got;

	do {
		got = read(fd, piece, sizeof(piece));
		if (got < 0 && errno != EINTR)
			return err_set(err, -errno, "read what a child has to say");
		if (got > 0)
			(void)buf_append(out, piece, (size_t)got);
	} while (got != 0 && out->size <= CHILD_ANSWER_MAX);
	return 0;
}

static int take_reply(const struct buf *said, int status, struct buf *ret_answer, struct err *err)
{
	const struct reply *reply = (const void *)said->data;

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || said->size < sizeof(*reply))
		return err_set(err, ERR_FAILED, "a process of ours in the network namespace died");
	if (reply->result < 0) {
		*err = reply->err;
		return reply->result;
	}
	if (said->size > sizeof(*reply))
		(void)buf_append(ret_answer, said->data + sizeof(*reply),
				 said->size - sizeof(*reply));
	return 0;
}

/* Whoever traces us is not to trace the child, nor to be told of its end: restoring, we are the
 * container's first task. */
static pid_t fork_untraced(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
}

int net_child(int fd, int (*work)(void *argument, struct buf *answer, struct err *err),
	      void *argument, struct buf *ret_answer, struct err *err)
{
	auto_buf struct buf said = BUF_EMPTY;
	pid_t parent = getpid();
	int status = 0;
	int ends[2];
	pid_t pid;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	pid = fork_untraced();
	if (pid == 0)
		child_main(ends[1], fd, parent, work, argument);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return err_set(err, -errno, "fork");
	}
	r = read_all(ends[0], &said, err);
	(void)close(ends[0]);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return r < 0 ? r : take_reply(&said, status, ret_answer, err);
}
