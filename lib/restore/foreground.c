/* Signals of a restore in the foreground. See foreground.h. */
#include "restore/foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/cleanup.h"

/* As if we had never blocked it. */
static void die_of(int number)
{
	sigset_t set;

	(void)signal(number, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, number);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	(void)kill(getpid(), number);
}

static void *forward(void *argument)
{
	const struct foreground *foreground = argument;
	auto_close int signals = signalfd(-1, &foreground->signals, SFD_CLOEXEC);
	struct pollfd polls[] = { { .fd = foreground->wake[0], .events = POLLIN },
				  { .fd = signals, .events = POLLIN } };
	pid_t worker = 0;

	while (signals >= 0) {
		struct signalfd_siginfo info;

		if (poll(polls, 2, -1) < 0)
			continue;
		if (polls[0].revents &&
		    read(foreground->wake[0], &worker, sizeof(worker)) != sizeof(worker))
			break;
		if (!polls[1].revents || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		/* Our child, not yet reaped: the pid is still its own. */
		if (worker)
			(void)kill(worker, (int)info.ssi_signo);
		else if (info.ssi_signo != SIGWINCH && info.ssi_signo != SIGCONT)
			die_of((int)info.ssi_signo);
	}
	return NULL;
}

int foreground_begin(struct foreground *foreground, struct err *err)
{
	int r;

	(void)sigemptyset(&foreground->signals);
	(void)sigaddset(&foreground->signals, SIGINT);
	(void)sigaddset(&foreground->signals, SIGTERM);
	(void)sigaddset(&foreground->signals, SIGHUP);
	/* For the container's own terminal, if the worker has one; else they do nothing. */
	(void)sigaddset(&foreground->signals, SIGWINCH);
	(void)sigaddset(&foreground->signals, SIGCONT);
	if (pipe2(foreground->wake, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	(void)pthread_sigmask(SIG_BLOCK, &foreground->signals, &foreground->saved);
	r = pthread_create(&foreground->thread, NULL, forward, foreground);
	if (r != 0) {
		(void)pthread_sigmask(SIG_SETMASK, &foreground->saved, NULL);
		return err_set(err, -r, "start a thread");
	}
	foreground->is_started = true;
	return 0;
}

void foreground_set_worker(struct foreground *foreground, pid_t worker)
{
	if (foreground->is_started)
		(void)!write(foreground->wake[1], &worker, sizeof(worker));
}

void foreground_end(struct foreground *foreground)
{
	drop_fd(&foreground->wake[1]);
	if (foreground->is_started) {
		(void)pthread_join(foreground->thread, NULL);
		(void)pthread_sigmask(SIG_SETMASK, &foreground->saved, NULL);
	}
	drop_fd(&foreground->wake[0]);
}
