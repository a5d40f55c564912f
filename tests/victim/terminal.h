/* Pseudo-terminals for victims. */
#pragma once

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "victim.h"

struct pair {
	int master, slave;
	int number;
};

static inline int open_master(int *ret_number)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);

	EXPECT(master >= 0 && ioctl(master, TIOCGPTN, ret_number) == 0);
	return master;
}

static inline int open_slave(int number)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return open(path, O_RDWR | O_NOCTTY);
}

static inline struct pair open_pair(void)
{
	struct pair pair;

	pair.master = open_master(&pair.number);
	EXPECT(unlockpt(pair.master) == 0);
	pair.slave = open_slave(pair.number);
	EXPECT(pair.slave >= 0);
	return pair;
}

static inline void make_raw(int slave)
{
	struct termios settings;

	EXPECT(tcgetattr(slave, &settings) == 0);
	cfmakeraw(&settings);
	EXPECT(tcsetattr(slave, TCSANOW, &settings) == 0);
}

static inline void change_local(int slave, tcflag_t on, tcflag_t off)
{
	struct termios settings;

	EXPECT(tcgetattr(slave, &settings) == 0);
	settings.c_lflag = (settings.c_lflag & ~off) | on;
	EXPECT(tcsetattr(slave, TCSANOW, &settings) == 0);
}

static inline void put(int fd, const char *text)
{
	EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Until that much has arrived. */
static inline void await_bytes(int fd, int count)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int waiting = 0;

	while (waiting < count) {
		EXPECT(poll(&polled, 1, -1) == 1);
		EXPECT(ioctl(fd, FIONREAD, &waiting) == 0);
	}
}

static inline bool has_input(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN);
}

/* Exactly these bytes, in one read. */
static inline void expect_read(int fd, const char *data, size_t size)
{
	char got[8192];
	ssize_t n = read(fd, got, sizeof(got));

	if (n != (ssize_t)size || memcmp(got, data, size) != 0)
		victim_fail("read %zd bytes, '%.*s', instead of '%.*s'", n, n > 0 ? (int)n : 0, got,
			    (int)size, data);
}

static inline void expect_text(int fd, const char *text)
{
	expect_read(fd, text, strlen(text));
}
