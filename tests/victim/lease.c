/* Leases for reading and writing, told of by SIGIO and by another signal. */
#include <signal.h>

#include "victim.h"

static int file_open(const char *name, int flags)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static void expect_signal(int signal, int fd)
{
	const struct timespec limit = { .tv_sec = 100 };
	sigset_t set;
	siginfo_t info;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, signal);
	EXPECT(sigtimedwait(&set, &info, &limit) == signal);
	EXPECT(signal == SIGIO || info.si_fd == fd);
}

int main(void)
{
	int read_only, write_fd, shared;
	sigset_t set;

	(void)sigfillset(&set);
	EXPECT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	EXPECT(close(file_open("read", O_RDWR | O_CREAT)) == 0);
	read_only = file_open("read", O_RDONLY);
	shared = file_open("read", O_RDONLY);
	write_fd = file_open("write", O_RDWR | O_CREAT);
	EXPECT(fcntl(read_only, F_SETLEASE, F_RDLCK) == 0);
	EXPECT(fcntl(shared, F_SETLEASE, F_RDLCK) == 0);
	EXPECT(fcntl(write_fd, F_SETSIG, SIGRTMIN) == 0);
	EXPECT(fcntl(write_fd, F_SETLEASE, F_WRLCK) == 0);

	wait_for_restore();

	EXPECT(fcntl(read_only, F_GETLEASE) == F_RDLCK && fcntl(shared, F_GETLEASE) == F_RDLCK);
	EXPECT(fcntl(write_fd, F_GETLEASE) == F_WRLCK);
	EXPECT(fcntl(write_fd, F_GETOWN) == getpid());
	EXPECT(file_open("write", O_RDONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	expect_signal(SIGRTMIN, write_fd);
	EXPECT(fcntl(write_fd, F_GETLEASE) == F_RDLCK);
	EXPECT(file_open("read", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	expect_signal(SIGIO, -1);
	EXPECT(fcntl(read_only, F_SETLEASE, F_UNLCK) == 0);
	EXPECT(fcntl(shared, F_SETLEASE, F_UNLCK) == 0);
	EXPECT(file_open("read", O_WRONLY | O_NONBLOCK) >= 0);
	victim_done();
}
