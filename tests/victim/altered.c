/* Holds what a checkpoint has to alter for a moment to look at it: queues of sockets, terminals and
 * message queues. While it waits, `ping` in its directory becomes `pong` if all is as it was. */
#include <arpa/inet.h>
#include <mqueue.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "victim.h"

enum { PAIRS = 100, MESSAGES = 20, TERMINALS = 10, QUEUES = 5, QUEUED = 10, STREAMS = 10 };

static int offset_of(int n)
{
	return n % 3 == 0 ? 3 : -1;
}

static int number(int fd, int level, int option)
{
	int value = 0;
	socklen_t size = sizeof(value);

	EXPECT(getsockopt(fd, level, option, &value, &size) == 0);
	return value;
}

/* ---- unix sockets ---- */

static int pairs[PAIRS][2];

static void pairs_build(void)
{
	for (int i = 0; i < PAIRS; i++) {
		int type = i % 2 ? SOCK_DGRAM : SOCK_STREAM;
		int offset = offset_of(i);

		EXPECT(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pairs[i]) == 0);
		for (int k = 0; k < MESSAGES; k++)
			EXPECT(send(pairs[i][0], "message", 7, k == 5 ? MSG_DONTWAIT : 0) == 7);
		EXPECT(setsockopt(pairs[i][1], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) ==
		       0);
	}
}

static void pairs_check(void)
{
	for (int i = 0; i < PAIRS; i++)
		EXPECT(number(pairs[i][1], SOL_SOCKET, SO_PEEK_OFF) == offset_of(i));
}

/* ---- terminals ---- */

static struct terminal {
	int master, slave;
	struct termios settings;
} terminals[TERMINALS];

static void terminals_build(void)
{
	for (int i = 0; i < TERMINALS; i++) {
		struct terminal *terminal = &terminals[i];

		EXPECT(openpty(&terminal->master, &terminal->slave, NULL, NULL, NULL) == 0);
		EXPECT(tcgetattr(terminal->slave, &terminal->settings) == 0);
		terminal->settings.c_lflag &= ~(tcflag_t)ECHO;
		EXPECT(tcsetattr(terminal->slave, TCSANOW, &terminal->settings) == 0);
		EXPECT(write(terminal->slave, "output", 6) == 6);
		EXPECT(write(terminal->master, "a line\nand more", 15) == 15);
	}
}

/* Input is on its way for a while. */
static void expect_waiting(int fd, int expected)
{
	int waiting = -1;

	for (int i = 0; i < 5000 && waiting != expected; i++) {
		EXPECT(ioctl(fd, FIONREAD, &waiting) == 0);
		if (waiting != expected)
			(void)usleep(2000);
	}
	if (waiting != expected)
		victim_fail("%d bytes wait in a terminal, not %d", waiting, expected);
}

static bool has_settings(const struct terminal *terminal)
{
	struct termios settings;

	EXPECT(tcgetattr(terminal->slave, &settings) == 0);
	return settings.c_lflag == terminal->settings.c_lflag &&
	       settings.c_iflag == terminal->settings.c_iflag &&
	       settings.c_oflag == terminal->settings.c_oflag &&
	       memcmp(settings.c_cc, terminal->settings.c_cc, NCCS) == 0;
}

static void terminals_check(void)
{
	for (int i = 0; i < TERMINALS; i++) {
		for (int k = 0; k < 5000 && !has_settings(&terminals[i]); k++)
			(void)usleep(2000);
		EXPECT(has_settings(&terminals[i]));
		expect_waiting(terminals[i].slave, 7);
		expect_waiting(terminals[i].master, 6);
	}
}

/* ---- message queues ---- */

static mqd_t queues[QUEUES];

static void queues_build(void)
{
	struct mq_attr attr = { .mq_maxmsg = QUEUED, .mq_msgsize = 64 };

	for (int i = 0; i < QUEUES; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "/altered-%d", i);
		queues[i] = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
		EXPECT(queues[i] >= 0);
		for (char k = 0; k < QUEUED; k++)
			EXPECT(mq_send(queues[i], &k, 1, 1) == 0);
	}
}

/* They are put back by a process that goes on. */
static void queues_check(void)
{
	for (int i = 0; i < QUEUES; i++) {
		struct mq_attr attr = { .mq_curmsgs = 0 };

		for (int k = 0; k < 5000 && attr.mq_curmsgs != QUEUED; k++) {
			EXPECT(mq_getattr(queues[i], &attr) == 0);
			if (attr.mq_curmsgs != QUEUED)
				(void)usleep(2000);
		}
		EXPECT(attr.mq_curmsgs == QUEUED);
	}
}

/* ---- TCP ---- */

static int streams[STREAMS][2];

static void streams_build(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT(listen(listener, STREAMS) == 0);
	EXPECT(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	for (int i = 0; i < STREAMS; i++) {
		int offset = offset_of(i);

		streams[i][0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		EXPECT(connect(streams[i][0], (struct sockaddr *)&address, sizeof(address)) == 0);
		streams[i][1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		EXPECT(streams[i][1] >= 0 && send(streams[i][0], "data", 4, 0) == 4);
		EXPECT(setsockopt(streams[i][1], SOL_SOCKET, SO_PEEK_OFF, &offset,
				  sizeof(offset)) == 0);
	}
}

static void streams_check(void)
{
	for (int i = 0; i < STREAMS; i++) {
		EXPECT(number(streams[i][0], IPPROTO_TCP, 19 /* TCP_REPAIR */) == 0);
		EXPECT(number(streams[i][1], IPPROTO_TCP, 19) == 0);
		EXPECT(number(streams[i][0], SOL_SOCKET, SO_REUSEADDR) == 0);
		EXPECT(number(streams[i][1], SOL_SOCKET, SO_PEEK_OFF) == offset_of(i));
	}
}

/* ---- the end ---- */

static void take_all(void)
{
	char bytes[256];
	unsigned int priority;

	for (int i = 0; i < PAIRS; i++) {
		size_t got = 0;

		for (ssize_t n; (n = recv(pairs[i][1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
			got += (size_t)n;
		EXPECT(got == 7 * MESSAGES);
	}
	for (int i = 0; i < TERMINALS; i++) {
		EXPECT(read(terminals[i].slave, bytes, sizeof(bytes)) == 7);
		EXPECT(memcmp(bytes, "a line\n", 7) == 0);
		EXPECT(read(terminals[i].master, bytes, sizeof(bytes)) == 6);
	}
	for (int i = 0; i < QUEUES; i++) {
		for (char k = 0; k < QUEUED; k++)
			EXPECT(mq_receive(queues[i], bytes, sizeof(bytes), &priority) == 1 &&
			       bytes[0] == k);
	}
	for (int i = 0; i < STREAMS; i++)
		EXPECT(recv(streams[i][1], bytes, sizeof(bytes), MSG_DONTWAIT) == 4);
}

static void check_all(void)
{
	pairs_check();
	terminals_check();
	queues_check();
	streams_check();
}

static void answer(void)
{
	char ping[PATH_MAX];

	(void)snprintf(ping, sizeof(ping), "%s/ping", victim_dir());
	if (unlink(ping) == 0) {
		check_all();
		victim_write("pong", "");
	}
}

int main(void)
{
	pairs_build();
	terminals_build();
	queues_build();
	streams_build();
	check_all();
	victim_write("ready", "");
	while (!victim_has_file("go")) {
		answer();
		(void)usleep(2000);
	}
	check_all();
	take_all();
	victim_done();
}
