/* Open file descriptions of pseudo-terminals: several of one slave, each with its flags; the same
 * under several numbers and in a child; /dev/tty; a master by its other name. */
#include <signal.h>
#include <sys/wait.h>

#include "terminal.h"

static void open_controlling(int slave, int *ret_tty)
{
	EXPECT(ioctl(slave, TIOCSCTTY, 0) == 0);
	*ret_tty = open("/dev/tty", O_RDWR);
	EXPECT(*ret_tty >= 0);
	EXPECT(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	EXPECT(ioctl(slave, TIOCNOTTY) == 0);
}

int main(void)
{
	struct pair pair = open_pair(), other = open_pair();
	int reader = open("/dev/tty", O_RDWR), copy, tty, second, writer, status, peer, kept;
	int second_number;
	char path[32];
	pid_t child;

	EXPECT(reader < 0);
	make_raw(pair.slave);
	(void)snprintf(path, sizeof(path), "/dev/pts/%d", pair.number);
	reader = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	writer = open(path, O_WRONLY | O_NOCTTY | O_APPEND);
	copy = dup(pair.master);
	EXPECT(reader >= 0 && writer >= 0 && copy >= 0);
	EXPECT(fcntl(other.master, F_SETFL, O_NONBLOCK) == 0);
	open_controlling(other.slave, &tty);
	make_raw(tty);
	second = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	EXPECT(second >= 0 && ioctl(second, TIOCGPTN, &second_number) == 0);
	/* The kernel shows FD_CLOEXEC for both of these. */
	peer = ioctl(pair.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	kept = dup(peer);
	EXPECT(peer >= 0 && kept >= 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		victim_wait_file("go");
		put(writer, "from the child");
		_exit(0);
	}

	wait_for_restore();

	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	expect_text(copy, "from the child");
	EXPECT(read(reader, path, 1) < 0 && errno == EAGAIN);
	EXPECT((fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
	EXPECT((fcntl(writer, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
	EXPECT(!(fcntl(copy, F_GETFL) & O_NONBLOCK));
	EXPECT(fcntl(copy, F_SETFL, O_NONBLOCK) == 0 && fcntl(pair.master, F_GETFL) & O_NONBLOCK);
	EXPECT(fcntl(other.master, F_GETFL) & O_NONBLOCK);
	EXPECT(fcntl(peer, F_GETFD) == FD_CLOEXEC && fcntl(kept, F_GETFD) == 0);
	EXPECT(ttyname_r(pair.slave, path, sizeof(path)) == 0);
	put(tty, "by tty");
	await_bytes(other.master, 6);
	expect_text(other.master, "by tty");
	put(other.master, "answer");
	await_bytes(tty, 6);
	expect_text(tty, "answer");
	EXPECT(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO);
	EXPECT(ioctl(second, TIOCGPTN, &status) == 0 && status == second_number);
	victim_done();
}
