/* mq_notify: to be told of a message by a real-time signal with a value, by a blocked standard one,
 * and by none. The arguments `thread` and `filled` are notifications that
 * cannot be saved. */
#include <mqueue.h>
#include <signal.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t count;
static volatile int value;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	EXPECT(info->si_code == SI_MESGQ);
	value = info->si_value.sival_int;
	count++;
}

static mqd_t make(const char *name)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	mqd_t queue = mq_open(name, O_RDWR | O_NONBLOCK | O_CREAT | O_EXCL, 0600, &attr);

	EXPECT(queue >= 0);
	return queue;
}

static int notify(mqd_t queue, int how, int signal, int number)
{
	struct sigevent event = { .sigev_notify = how,
				  .sigev_signo = signal,
				  .sigev_value = { .sival_int = number } };

	return mq_notify(queue, &event);
}

static void on_thread(union sigval number)
{
	(void)number;
}

static void unsupported(const char *what)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD,
				  .sigev_notify_function = on_thread };
	mqd_t queue = make("/notify-not");

	if (strcmp(what, "thread") == 0) {
		EXPECT(mq_notify(queue, &event) == 0);
	} else {
		EXPECT(mq_send(queue, "", 0, 0) == 0);
		EXPECT(notify(queue, SIGEV_SIGNAL, SIGUSR1, 1) == 0);
	}
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec now = { .tv_sec = 0 };
	sigset_t usr2;
	siginfo_t info;
	mqd_t handled, blocked, silent;

	if (argc > 1 && (strcmp(argv[1], "thread") == 0 || strcmp(argv[1], "filled") == 0))
		unsupported(argv[1]);
	handled = make("/notify-handled");
	blocked = make("/notify-blocked");
	silent = make("/notify-silent");
	EXPECT(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
	EXPECT(sigemptyset(&usr2) == 0 && sigaddset(&usr2, SIGUSR2) == 0);
	EXPECT(sigprocmask(SIG_BLOCK, &usr2, NULL) == 0);
	EXPECT(notify(handled, SIGEV_SIGNAL, SIGRTMIN + 3, 1234) == 0);
	EXPECT(notify(blocked, SIGEV_SIGNAL, SIGUSR2, 77) == 0);
	EXPECT(notify(silent, SIGEV_NONE, 0, 0) == 0);

	wait_for_restore();

	EXPECT(count == 0);
	EXPECT(sigtimedwait(&usr2, &info, &now) < 0 && errno == EAGAIN);
	EXPECT(notify(silent, SIGEV_NONE, 0, 0) < 0 && errno == EBUSY);
	EXPECT(notify(handled, SIGEV_NONE, 0, 0) < 0 && errno == EBUSY);
	EXPECT(mq_send(handled, "x", 1, 0) == 0);
	EXPECT(count == 1 && value == 1234);
	EXPECT(mq_send(blocked, "x", 1, 0) == 0);
	EXPECT(sigtimedwait(&usr2, &info, &now) == SIGUSR2 && info.si_code == SI_MESGQ);
	EXPECT(info.si_value.sival_int == 77);
	EXPECT(mq_send(silent, "x", 1, 0) == 0 && notify(silent, SIGEV_NONE, 0, 0) == 0);
	EXPECT(mq_send(handled, "x", 1, 0) == 0 && count == 1);
	victim_done();
}
