/* Sessions with a controlling terminal: job control with a group in the foreground and one in the
 * background, one whose foreground group is gone, one whose member gave the terminal up. Signals
 * that only a change of terminal sends must not come. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "terminal.h"

static volatile sig_atomic_t hangups, continues, resizes, interrupts;

static void count(int number)
{
	if (number == SIGHUP)
		hangups++;
	else if (number == SIGCONT)
		continues++;
	else if (number == SIGWINCH)
		resizes++;
	else
		interrupts++;
}

static void count_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGCONT, SIGWINCH, SIGINT };
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		EXPECT(sigaction(numbers[i], &action, NULL) == 0);
}

static pid_t spawn(void)
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0)
		count_signals();
	return child;
}

static void wait_quietly(const char *name)
{
	victim_wait_file(name);
	EXPECT(hangups == 0 && continues == 0 && resizes == 0);
}

/* In the foreground: reads, and is interrupted. */
static void foreground(void)
{
	int tty;

	wait_quietly("go");
	tty = open("/dev/tty", O_RDWR);
	EXPECT(tty >= 0 && tcgetpgrp(tty) == getpgrp());
	expect_text(tty, "typed\n");
	victim_write("read", "");
	while (interrupts == 0)
		(void)usleep(1000);
	_exit(3);
}

/* In the background: reading stops it. */
static void background(void)
{
	char text[16];
	int tty = open("/dev/tty", O_RDWR);

	EXPECT(tty >= 0);
	wait_quietly("go");
	EXPECT(tcgetpgrp(tty) != getpgrp());
	(void)read(tty, text, sizeof(text));
	_exit(4);
}

static void given_up(void)
{
	EXPECT(signal(SIGHUP, SIG_DFL) != SIG_ERR);
	EXPECT(ioctl(open("/dev/tty", O_RDWR), TIOCNOTTY) == 0);
	victim_write("gave-up", "");
	victim_wait_file("go");
	EXPECT(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
	_exit(5);
}

/* A shell. */
static void lead(struct pair pair)
{
	pid_t gone, front, back, dropped;
	int status;

	count_signals();
	EXPECT(signal(SIGTTOU, SIG_IGN) != SIG_ERR);
	EXPECT(setsid() == getpid() && ioctl(pair.slave, TIOCSCTTY, 0) == 0);
	EXPECT(close(pair.master) == 0);
	front = spawn();
	if (front == 0) {
		EXPECT(setpgid(0, 0) == 0);
		victim_write("front", "");
		foreground();
	}
	back = spawn();
	if (back == 0) {
		EXPECT(setpgid(0, 0) == 0);
		background();
	}
	dropped = spawn();
	if (dropped == 0)
		given_up();
	(void)setpgid(front, front);
	EXPECT(tcsetpgrp(pair.slave, front) == 0);
	gone = spawn();
	if (gone == 0)
		_exit(0);
	EXPECT(waitpid(gone, &status, 0) == gone);
	victim_wait_file("front");
	victim_wait_file("gave-up");
	victim_write("led", "");
	wait_quietly("go");
	EXPECT(tcgetsid(pair.slave) == getpid() && tcgetpgrp(pair.slave) == front);
	EXPECT(waitpid(front, &status, 0) == front && WEXITSTATUS(status) == 3);
	EXPECT(waitpid(back, &status, WUNTRACED) == back && WIFSTOPPED(status));
	EXPECT(WSTOPSIG(status) == SIGTTIN);
	EXPECT(kill(back, SIGKILL) == 0 && waitpid(back, &status, 0) == back);
	EXPECT(waitpid(dropped, &status, 0) == dropped && WEXITSTATUS(status) == 5);
	EXPECT(hangups == 0 && continues == 0 && resizes == 0 && interrupts == 0);
	_exit(6);
}

/* Its foreground group has ended; it has no descriptor of its terminal. */
static void lead_alone(int number)
{
	pid_t gone;
	int slave, status;
	char path[32];

	count_signals();
	EXPECT(setsid() == getpid());
	(void)snprintf(path, sizeof(path), "/dev/pts/%d", number);
	slave = open(path, O_RDWR);
	EXPECT(slave >= 0 && signal(SIGTTOU, SIG_IGN) != SIG_ERR);
	gone = spawn();
	if (gone == 0) {
		(void)pause();
		_exit(0);
	}
	EXPECT(setpgid(gone, gone) == 0 && tcsetpgrp(slave, gone) == 0);
	EXPECT(kill(gone, SIGKILL) == 0 && waitpid(gone, &status, 0) == gone);
	EXPECT(tcgetpgrp(slave) == gone && close(slave) == 0);
	victim_write("alone", "");
	wait_quietly("go");
	slave = open("/dev/tty", O_RDWR);
	EXPECT(slave >= 0 && tcgetpgrp(slave) == gone);
	_exit(7);
}

int main(void)
{
	struct pair one = open_pair(), two = open_pair();
	pid_t leader, alone;
	int status;

	change_local(one.slave, 0, ECHO);
	EXPECT(close(two.slave) == 0);
	alone = fork();
	EXPECT(alone >= 0);
	if (alone == 0) {
		EXPECT(close(two.master) == 0 && close(one.master) == 0);
		lead_alone(two.number);
	}
	leader = fork();
	EXPECT(leader >= 0);
	if (leader == 0)
		lead(one);
	EXPECT(close(one.slave) == 0);
	victim_wait_file("alone");
	victim_wait_file("led");

	wait_for_restore();

	put(one.master, "typed\n");
	victim_wait_file("read");
	put(one.master, "\003");
	EXPECT(waitpid(leader, &status, 0) == leader && WEXITSTATUS(status) == 6);
	EXPECT(waitpid(alone, &status, 0) == alone && WEXITSTATUS(status) == 7);
	victim_done();
}
