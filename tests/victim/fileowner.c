/* Signals for input and output: to a process, a thread, a group and a child, by all kinds of
 * signals; and what is set, but not on. */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

static void channel(int ends[2])
{
	EXPECT(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
}

static void own(int fd, int type, pid_t pid, int signal, bool is_on)
{
	struct f_owner_ex owner = { .type = (enum __pid_type)type, .pid = pid };
	int flags = fcntl(fd, F_GETFL);

	EXPECT(fcntl(fd, F_SETOWN_EX, &owner) == 0);
	EXPECT(signal == 0 || fcntl(fd, F_SETSIG, signal) == 0);
	EXPECT(!is_on || fcntl(fd, F_SETFL, flags | O_ASYNC) == 0);
}

static void check(int fd, int type, pid_t pid, int signal, bool is_on)
{
	struct f_owner_ex owner;

	EXPECT(fcntl(fd, F_GETOWN_EX, &owner) == 0);
	EXPECT((int)owner.type == type && owner.pid == pid && fcntl(fd, F_GETSIG) == signal);
	EXPECT(((fcntl(fd, F_GETFL) & O_ASYNC) != 0) == is_on);
	EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void expect_signal(int signal, int *ret_fd)
{
	const struct timespec limit = { .tv_sec = 100 };
	sigset_t set;
	siginfo_t info;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal);
	EXPECT(sigtimedwait(&set, &info, &limit) == signal);
	*ret_fd = info.si_fd;
}

static void block_signals(void)
{
	sigset_t set;

	(void)sigfillset(&set);
	EXPECT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

int main(void)
{
	int process[2], thread[2], group[2], other[2], idle[2], plain[2];
	int fd, status;
	pid_t child;

	block_signals();
	EXPECT(setpgid(0, 0) == 0 || getpgrp() == getpid());
	channel(process);
	channel(thread);
	channel(group);
	channel(other);
	channel(idle);
	channel(plain);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		victim_wait_file("written");
		expect_signal(SIGRTMIN + 2, &fd);
		EXPECT(fd == other[0]);
		_exit(7);
	}
	own(process[0], F_OWNER_PID, getpid(), 0, true);
	own(thread[0], F_OWNER_TID, gettid(), SIGRTMIN + 1, true);
	own(group[0], F_OWNER_PGRP, getpgrp(), SIGUSR1, true);
	own(other[0], F_OWNER_PID, child, SIGRTMIN + 2, true);
	own(idle[0], F_OWNER_PID, getpid(), SIGUSR2, false);
	EXPECT(fcntl(plain[0], F_SETSIG, SIGUSR2) == 0);

	wait_for_restore();

	check(process[0], F_OWNER_PID, getpid(), 0, true);
	check(thread[0], F_OWNER_TID, gettid(), SIGRTMIN + 1, true);
	check(group[0], F_OWNER_PGRP, getpgrp(), SIGUSR1, true);
	check(other[0], F_OWNER_PID, child, SIGRTMIN + 2, true);
	check(idle[0], F_OWNER_PID, getpid(), SIGUSR2, false);
	EXPECT(fcntl(plain[0], F_GETOWN) == 0 && fcntl(plain[0], F_GETSIG) == SIGUSR2);
	EXPECT(write(process[1], "x", 1) == 1 && write(thread[1], "x", 1) == 1);
	EXPECT(write(group[1], "x", 1) == 1 && write(other[1], "x", 1) == 1);
	EXPECT(write(idle[1], "x", 1) == 1);
	expect_signal(SIGIO, &fd);
	expect_signal(SIGRTMIN + 1, &fd);
	EXPECT(fd == thread[0]);
	expect_signal(SIGUSR1, &fd);
	victim_write("written", "");
	EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status));
	EXPECT(WEXITSTATUS(status) == 7);
	victim_done();
}
