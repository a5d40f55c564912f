/* signalfd: its set of signals, and a signal that waits in it. */
#include <signal.h>
#include <sys/signalfd.h>

#include "victim.h"

int main(void)
{
	struct signalfd_siginfo info;
	sigset_t mask;
	int fd;

	EXPECT(sigemptyset(&mask) == 0 && sigaddset(&mask, SIGUSR1) == 0);
	EXPECT(sigaddset(&mask, SIGRTMAX) == 0 && sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	EXPECT(fd >= 0);
	wait_for_restore();
	EXPECT(read(fd, &info, sizeof(info)) < 0 && errno == EAGAIN);
	EXPECT(raise(SIGUSR1) == 0 && raise(SIGRTMAX) == 0);
	EXPECT(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1);
	EXPECT(read(fd, &info, sizeof(info)) == sizeof(info));
	EXPECT(info.ssi_signo == (uint32_t)SIGRTMAX);
	EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	victim_done();
}
