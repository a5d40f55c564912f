/* pidfds of the process itself, a child, a zombie, a dead child, and a thread; one is shared with a
 * child, one is watched by epoll. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int pidfd_make(pid_t pid, int flags)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, flags);

	EXPECT(fd >= 0);
	return fd;
}

static int send(int pidfd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static bool is_ready(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static int shown_pid(int fd)
{
	char path[64], text[1024], *line;
	ssize_t size;
	int info;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	size = read(info, text, sizeof(text) - 1);
	EXPECT(info >= 0 && size > 0 && close(info) == 0);
	text[size] = '\0';
	line = strstr(text, "\nPid:\t");
	EXPECT(line);
	return atoi(line + 6);
}

static int end_of(int pidfd)
{
	siginfo_t info;

	EXPECT(waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0);
	return info.si_status;
}

static pid_t child_make(int status)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0 && status < 0)
		for (;;)
			(void)pause();
	if (child == 0)
		_exit(status);
	return child;
}

/* The one that shares a pidfd with its parent, and kills by it. */
static pid_t killer_make(int pidfd)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child > 0)
		return child;
	victim_wait_file("kill");
	EXPECT(send(pidfd, SIGKILL) == 0);
	_exit(0);
}

static void *thread_main(void *tid)
{
	*(volatile pid_t *)tid = gettid();
	for (;;)
		(void)pause();
	return NULL;
}

static int thread_make(pid_t *ret_tid)
{
	static volatile pid_t tid;
	pthread_t thread;
	int fd;

	EXPECT(pthread_create(&thread, NULL, thread_main, (void *)&tid) == 0);
	while (tid == 0)
		(void)sched_yield();
	*ret_tid = tid;
	fd = (int)syscall(SYS_pidfd_open, tid, O_EXCL);
	EXPECT(fd >= 0 || errno == EINVAL); /* before 6.9 */
	return fd;
}

/* 6.15: how it ended, although it was waited for long ago. */
static int known_end(int pidfd)
{
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t exit_code;
	} info = { .mask = 8 };

	if (ioctl(pidfd, _IOWR(0xff, 11, info), &info) < 0 || !(info.mask & 8))
		return -1;
	return info.exit_code;
}

int main(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 77 };
	pid_t child = child_make(-1), zombie = child_make(3), dead = child_make(5), killer, tid;
	int self_fd = pidfd_make(getpid(), 0);
	int child_fd = pidfd_make(child, O_NONBLOCK);
	int zombie_fd = pidfd_make(zombie, 0);
	int dead_fd = pidfd_make(dead, 0);
	int epoll = epoll_create1(0);
	int thread_fd = thread_make(&tid);
	int dead_end;
	siginfo_t info;

	EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, child_fd, &event) == 0);
	EXPECT(end_of(dead_fd) == 5);
	EXPECT(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) == 0);
	dead_end = known_end(dead_fd);
	killer = killer_make(child_fd);

	wait_for_restore();

	EXPECT(shown_pid(self_fd) == getpid() && send(self_fd, 0) == 0 && !is_ready(self_fd));
	EXPECT(shown_pid(child_fd) == child && send(child_fd, 0) == 0 && !is_ready(child_fd));
	EXPECT(fcntl(child_fd, F_GETFL) & O_NONBLOCK && !(fcntl(self_fd, F_GETFL) & O_NONBLOCK));
	EXPECT(waitid((idtype_t)P_PIDFD, (id_t)child_fd, &info, WEXITED) < 0 && errno == EAGAIN);
	EXPECT(shown_pid(zombie_fd) == zombie && is_ready(zombie_fd) && end_of(zombie_fd) == 3);
	EXPECT(shown_pid(dead_fd) == -1 && is_ready(dead_fd));
	EXPECT(send(dead_fd, 0) < 0 && errno == ESRCH);
	EXPECT(known_end(dead_fd) == dead_end);
	if (thread_fd >= 0)
		EXPECT(shown_pid(thread_fd) == tid && fcntl(thread_fd, F_GETFL) & O_EXCL);
	EXPECT(epoll_wait(epoll, &event, 1, 0) == 0);
	victim_write("kill", "");
	EXPECT(waitid(P_PID, (id_t)killer, &info, WEXITED) == 0 && info.si_status == 0);
	EXPECT(epoll_wait(epoll, &event, 1, 20000) == 1 && event.data.u32 == 77);
	EXPECT(end_of(child_fd) == SIGKILL);
	victim_done();
}
