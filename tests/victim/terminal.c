/* Pairs of all forms: bytes that wait at either end, with and without lines; sizes, modes, numbers
 * with gaps between them. */
#include <signal.h>

#include "terminal.h"

enum { ALL = 600 };

static struct pair lines, raw, stopped, held, full, modes, hung;
static int locked, locked_number, lonely, lonely_number;
static struct pair packets;
static char all[ALL];

static void build_lines(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 101, .ws_xpixel = 7, .ws_ypixel = 9 };

	lines = open_pair();
	change_local(lines.slave, 0, ECHO);
	put(lines.master, "one\rtwo\004\004a\026\nb\026\004c\nfour\n");
	put(lines.master, "unfinixxx\177\177\177");
	put(lines.slave, "hello\nworld");
	await_bytes(lines.slave, 4);
	await_bytes(lines.master, 12);
	EXPECT(ioctl(lines.master, TIOCSWINSZ, &size) == 0);
	EXPECT(fchmod(lines.slave, 0600) == 0);
}

static void check_lines(void)
{
	struct winsize size;
	struct stat st;

	EXPECT(ioctl(lines.slave, TIOCGWINSZ, &size) == 0);
	EXPECT(size.ws_row == 33 && size.ws_col == 101);
	EXPECT(size.ws_xpixel == 7 && size.ws_ypixel == 9);
	EXPECT(fstat(lines.slave, &st) == 0 && (st.st_mode & 07777) == 0600);
	expect_text(lines.master, "hello\r\nworld");
	EXPECT(!has_input(lines.master));
	expect_text(lines.slave, "one\n");
	expect_text(lines.slave, "two");
	expect_text(lines.slave, "");
	expect_text(lines.slave, "a\nb\004c\n");
	expect_text(lines.slave, "four\n");
	EXPECT(!has_input(lines.slave));
	put(lines.master, "z\177shed\r");
	expect_text(lines.slave, "unfinished\n");
	change_local(lines.slave, ECHO, 0);
	put(lines.master, "\003");
	expect_text(lines.master, "^C");
}

static void build_raw(void)
{
	for (int i = 0; i < ALL; i++)
		all[i] = (char)i;
	raw = open_pair();
	make_raw(raw.slave);
	EXPECT(write(raw.master, all, ALL) == ALL && write(raw.slave, all, ALL) == ALL);
	await_bytes(raw.master, ALL);
	await_bytes(raw.slave, ALL);
}

static void check_raw(void)
{
	struct termios settings;

	EXPECT(tcgetattr(raw.slave, &settings) == 0);
	EXPECT(!(settings.c_lflag & (ICANON | ECHO | ISIG)) && !(settings.c_oflag & OPOST));
	expect_read(raw.slave, all, ALL);
	expect_read(raw.master, all, ALL);
	EXPECT(!has_input(raw.slave) && !has_input(raw.master));
}

/* The buffers of both directions, as full as they get. */
static size_t fill(int fd)
{
	char block[100];
	size_t size = 0;
	int quiet = 0;

	EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while (quiet < 3) {
		struct pollfd polled = { .fd = fd, .events = POLLOUT };
		ssize_t n;

		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((size + i) % 251);
		n = write(fd, block, sizeof(block));
		if (n > 0)
			size += (size_t)n;
		else
			quiet += poll(&polled, 1, 100) == 0;
	}
	EXPECT(fcntl(fd, F_SETFL, 0) == 0);
	return size;
}

static void drain(int fd, size_t size)
{
	for (size_t i = 0; i < size;) {
		unsigned char got[1000];
		ssize_t n = read(fd, got, sizeof(got));

		EXPECT(n > 0);
		for (ssize_t j = 0; j < n; j++, i++)
			EXPECT(got[j] == i % 251);
	}
	EXPECT(!has_input(fd));
}

static bool can_write(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLOUT };

	return poll(&polled, 1, 0) > 0 && (polled.revents & POLLOUT);
}

static void build_stopped(void)
{
	stopped = open_pair();
	put(stopped.slave, "before");
	put(stopped.master, "\023");
	while (can_write(stopped.slave))
		;
	held = open_pair();
	EXPECT(tcflow(held.slave, TCOOFF) == 0);
}

static void check_stopped(void)
{
	EXPECT(!can_write(stopped.slave) && !can_write(held.slave));
	expect_text(stopped.master, "before");
	put(stopped.master, "\021");
	put(held.master, "\021");
	put(stopped.slave, "after");
	expect_text(stopped.master, "after");
	EXPECT(!can_write(held.slave));
	EXPECT(tcflow(held.slave, TCOON) == 0);
	put(held.slave, "more");
	while (!has_input(held.master))
		;
}

static void build_modes(void)
{
	int on = 1;

	modes = open_pair();
	EXPECT(ioctl(modes.slave, TIOCEXCL) == 0);
	packets = open_pair();
	EXPECT(ioctl(packets.master, TIOCPKT, &on) == 0);
	put(packets.slave, "packet");
	locked = open_master(&locked_number);
	hung = open_pair();
	put(hung.master, "lost\n");
	EXPECT(close(hung.master) == 0);
	lonely = open_master(&lonely_number);
	EXPECT(unlockpt(lonely) == 0);
}

static void check_modes(void)
{
	struct pollfd polled = { .fd = lonely, .events = POLLIN };
	int value = 0;
	struct termios settings;

	EXPECT(ioctl(modes.slave, TIOCGEXCL, &value) == 0 && value);
	EXPECT(open_slave(modes.number) < 0 && errno == EBUSY);
	EXPECT(ioctl(packets.master, TIOCGPKT, &value) == 0 && value);
	expect_read(packets.master, "\0packet", 7);
	EXPECT(ioctl(locked, TIOCGPTLCK, &value) == 0 && value);
	EXPECT(open_slave(locked_number) < 0 && errno == EIO);
	EXPECT(unlockpt(locked) == 0 && open_slave(locked_number) >= 0);
	EXPECT(tcgetattr(hung.slave, &settings) < 0 && errno == EIO);
	EXPECT(write(hung.slave, "x", 1) < 0 && read(hung.slave, &settings, 1) == 0);
	EXPECT(poll(&polled, 1, 0) == 0);
	value = open_slave(lonely_number);
	EXPECT(value >= 0 && close(value) == 0);
	EXPECT(poll(&polled, 1, 0) == 1 && polled.revents == POLLHUP);
	EXPECT(hung.number == modes.number + 3 && lonely_number == hung.number + 1);
}

static int number_of(int master)
{
	int number;

	EXPECT(ioctl(master, TIOCGPTN, &number) == 0);
	return number;
}

/* Forms that cannot be saved. */
static void build_strange(const char *form)
{
	struct pair pair = open_pair();
	int on = 1;

	if (strcmp(form, "lines") == 0) {
		change_local(pair.slave, 0, ECHO);
		for (int i = 0; i < 600; i++)
			put(pair.master, "line\n");
		await_bytes(pair.slave, 3000);
	} else if (strcmp(form, "status") == 0) {
		EXPECT(ioctl(pair.master, TIOCPKT, &on) == 0);
		EXPECT(tcflush(pair.slave, TCIFLUSH) == 0);
	} else if (strcmp(form, "exclusive") == 0) {
		EXPECT(ioctl(pair.slave, TIOCEXCL) == 0 && close(pair.slave) == 0);
	} else {
		EXPECT(strcmp(form, "tty") == 0 && ioctl(pair.slave, TIOCSCTTY, 0) == 0);
		EXPECT(signal(SIGHUP, SIG_IGN) != SIG_ERR && open("/dev/tty", O_RDWR) >= 0);
		EXPECT(close(pair.master) == 0 && close(pair.slave) == 0);
	}
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	struct pair fillers[3];
	size_t to_master, to_slave;
	struct pair closed;
	char byte;

	if (argc > 1)
		build_strange(argv[1]);
	for (int i = 0; i < 3; i++)
		fillers[i] = open_pair();
	build_lines();
	build_raw();
	full = open_pair();
	make_raw(full.slave);
	to_slave = fill(full.master);
	to_master = fill(full.slave);
	closed = open_pair();
	put(closed.slave, "last words");
	EXPECT(close(closed.slave) == 0);
	build_stopped();
	build_modes();
	for (int i = 0; i < 3; i++)
		EXPECT(close(fillers[i].master) == 0 && close(fillers[i].slave) == 0);

	wait_for_restore();

	check_lines();
	check_raw();
	drain(full.slave, to_slave);
	drain(full.master, to_master);
	expect_text(closed.master, "last words");
	EXPECT(read(closed.master, &byte, 1) < 0 && errno == EIO);
	check_stopped();
	check_modes();
	EXPECT(number_of(lines.master) == lines.number && number_of(raw.master) == raw.number);
	EXPECT(number_of(full.master) == full.number);
	/* The numbers in front are free. */
	EXPECT(getenv("CROWD") || open_pair().number == fillers[0].number);
	victim_done();
}
