/* pending: signals of the process and of a thread, a long queue of real-time ones, each with what
 * its sender said. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { QUEUED = 300 };

static pthread_barrier_t built;

static void expect_none(const sigset_t *all)
{
	const struct timespec now = { 0 };

	EXPECT(sigtimedwait(all, NULL, &now) < 0 && errno == EAGAIN);
}

static siginfo_t next(int number)
{
	const struct timespec now = { 0 };
	siginfo_t info;
	sigset_t set;

	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, number) == 0);
	/* The C library would turn SI_TKILL into SI_USER. */
	if (syscall(SYS_rt_sigtimedwait, &set, &info, &now, 8) != number)
		victim_fail("signal %d is not pending", number);
	return info;
}

static void *thread_main(void *argument)
{
	const sigset_t *all = argument;
	siginfo_t info;

	for (int i = 0; i < 5; i++) {
		const union sigval value = { .sival_int = 1000 + i };

		EXPECT(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, value) == 0);
	}
	EXPECT(pthread_kill(pthread_self(), SIGUSR2) == 0);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	for (int i = 0; i < 5; i++) {
		info = next(SIGRTMIN + 2);
		EXPECT(info.si_code == SI_QUEUE && info.si_value.sival_int == 1000 + i);
		EXPECT(info.si_pid == getpid() && info.si_uid == getuid());
	}
	info = next(SIGUSR2);
	EXPECT(info.si_code == SI_TKILL && info.si_pid == getpid());
	(void)pthread_barrier_wait(&built);
	(void)pthread_barrier_wait(&built);
	expect_none(all);
	return NULL;
}

static void verify_shared(pid_t child)
{
	siginfo_t info;

	for (int i = 0; i < QUEUED; i++) {
		info = next(SIGRTMIN + 1);
		EXPECT(info.si_code == SI_QUEUE && info.si_value.sival_int == i);
		EXPECT(info.si_pid == getpid());
	}
	info = next(SIGUSR1);
	EXPECT(info.si_code == SI_USER && info.si_pid == getpid());
	info = next(SIGCHLD);
	EXPECT(info.si_code == CLD_EXITED && info.si_pid == child && info.si_status == 3);
	info = next(SIGALRM);
	EXPECT(info.si_code == SI_KERNEL);
	(void)next(SIGTSTP);
}

static pid_t make_signals(void)
{
	siginfo_t info;
	pid_t child;

	for (int i = 0; i < QUEUED; i++) {
		const union sigval value = { .sival_int = i };

		EXPECT(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
	}
	EXPECT(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGTSTP) == 0);
	child = fork();
	if (child == 0)
		_exit(3);
	EXPECT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
	(void)alarm(1);
	for (;;) {
		sigset_t pending;

		EXPECT(sigpending(&pending) == 0);
		if (sigismember(&pending, SIGALRM))
			return child;
	}
}

int main(void)
{
	pthread_t thread;
	sigset_t all;
	pid_t child;
	int status;

	EXPECT(sigfillset(&all) == 0 && sigdelset(&all, SIGABRT) == 0);
	EXPECT(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, 2) == 0);
	child = make_signals();
	EXPECT(pthread_create(&thread, NULL, thread_main, &all) == 0);
	(void)pthread_barrier_wait(&built);

	wait_for_restore();

	(void)pthread_barrier_wait(&built);
	verify_shared(child);
	expect_none(&all);
	EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
	(void)pthread_barrier_wait(&built);
	EXPECT(pthread_join(thread, NULL) == 0);
	victim_done();
}
