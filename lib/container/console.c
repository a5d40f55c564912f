/* A container's own terminal. See console.h. */
#include "container/console.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

enum { AT_MASTER_IN, AT_MASTER_OUT, AT_USER, AT_LIFELINE };
static_assert(AT_LIFELINE + 1 == CONSOLE_POLLS, "room");

bool console_has_user(void)
{
	return isatty(STDIN_FILENO);
}

struct winsize console_size(void)
{
	struct winsize size = { .ws_row = 0 };

	(void)ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
	return size;
}

int console_create(const struct winsize *size, int *ret_master, int *ret_slave, struct err *err)
{
	auto_close int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_close int slave = -1;
	int unlocked = 0;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return err_set(err, -errno, "create a terminal");
	/* With O_CLOEXEC, the kernel would show it for every duplicate. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 || ioctl(master, TIOCSWINSZ, size) < 0)
		return err_set(err, -errno, "set a terminal up");
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}

/* ---- sockets ---- */

int console_connect(const char *path, int *ret_socket, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_USAGE, "--console-socket: the path is too long");
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, -errno, "connect to %s", path);
	*ret_socket = take_fd(&fd);
	return 0;
}

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int console_send(int socket, int master, struct err *err)
{
	union control control = { .header = { .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(sizeof(int)) } };
	auto_free char *name = NULL;
	struct iovec data;
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	unsigned int number;

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return err_set(err, -errno, "ask a terminal for its number");
	name = mem_printf("/dev/pts/%u", number);
	data = (struct iovec){ .iov_base = name, .iov_len = strlen(name) };
	memcpy(CMSG_DATA(&control.header), &master, sizeof(master));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "hand the terminal over");
	return 0;
}

int console_receive(int socket)
{
	union control control;
	char name[64];
	struct iovec data = { .iov_base = name, .iov_len = sizeof(name) };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	ssize_t n;
	int fd;

	do {
		n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* ---- carrying ---- */

static void resize(const struct console *console)
{
	struct winsize size;

	/* Unless it is another size, nobody is told. */
	if (console->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)ioctl(console->master, TIOCSWINSZ, &size);
}

static void make_raw(struct console *console)
{
	struct termios raw;

	if (!console->is_raw && tcgetattr(STDIN_FILENO, &console->saved) < 0)
		return;
	raw = console->saved;
	cfmakeraw(&raw);
	console->is_raw = true;
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

void console_resume(struct console *console)
{
	if (console->master < 0)
		return;
	make_raw(console);
	resize(console);
}

void console_begin(struct console *console)
{
	(void)fcntl(console->master, F_SETFL, O_NONBLOCK);
	console->slave = ioctl(console->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	console_resume(console);
}

static bool is_empty(const struct console_way *way)
{
	return way->start == way->end;
}

static struct pollfd ask(int fd, bool is_wanted, short events)
{
	return (struct pollfd){ .fd = is_wanted ? fd : -1, .events = events };
}

void console_poll(const struct console *console, struct pollfd *polls)
{
	bool is_there = console->master >= 0;
	bool wants_input = is_there && is_empty(&console->in);

	polls[AT_USER] = ask(STDIN_FILENO, wants_input, POLLIN);
	polls[AT_MASTER_IN] = ask(console->master, !is_empty(&console->in), POLLOUT);
	polls[AT_MASTER_OUT] = ask(console->master, is_there, POLLIN);
	polls[AT_LIFELINE] = ask(console->lifeline, is_there, POLLIN);
}

/* Returns what read(2) does. */
static ssize_t fill_way(struct console_way *way, int fd)
{
	ssize_t n = read(fd, way->bytes, sizeof(way->bytes));

	way->start = 0;
	way->end = n > 0 ? (size_t)n : 0;
	return n;
}

static void empty_way(struct console_way *way, int fd)
{
	ssize_t n = write(fd, way->bytes + way->start, way->end - way->start);

	if (n > 0)
		way->start += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		way->start = way->end; /* nobody is there to have it */
}

static bool carry_out(struct console *console)
{
	if (fill_way(&console->out, console->master) <= 0)
		return false;
	while (!is_empty(&console->out))
		empty_way(&console->out, STDOUT_FILENO);
	return true;
}

static void drop(struct console *console)
{
	if (console->is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &console->saved);
	console->is_raw = false;
	drop_fd(&console->slave);
	drop_fd(&console->master);
	console->in.start = console->in.end;
}

void console_carry(struct console *console, const struct pollfd *polls)
{
	bool is_at_end = polls[AT_LIFELINE].revents;

	if (polls[AT_USER].revents) {
		ssize_t n = fill_way(&console->in, STDIN_FILENO);

		/* A raw terminal has no other end. */
		is_at_end |= n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	}
	if (!is_empty(&console->in))
		empty_way(&console->in, console->master);
	if (polls[AT_MASTER_OUT].revents)
		(void)carry_out(console);
	/* The user's terminal is gone: the container's hangs up. */
	if (is_at_end)
		drop(console);
}

void console_end(struct console *console)
{
	if (console->master < 0)
		return;
	while (carry_out(console))
		;
	drop(console);
}
