/* Descriptors from outside, which come through a socket: those that the arguments name, in this
 * order, under 50, 51, ... */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "victim.h"

enum { FIRST = 50, COUNT_MAX = 8 };

static int receive(int connection, int *fds)
{
	char control[CMSG_SPACE(COUNT_MAX * sizeof(int))];
	char byte;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	size_t size;

	EXPECT(recvmsg(connection, &message, 0) == 1);
	header = CMSG_FIRSTHDR(&message);
	EXPECT(header && header->cmsg_type == SCM_RIGHTS);
	size = header->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(header), size);
	return (int)(size / sizeof(int));
}

static void take_all(int count)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int door = socket(AF_UNIX, SOCK_STREAM, 0);
	int fds[COUNT_MAX];
	int connection;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("VICTIM_SOCKET"));
	EXPECT(door >= 0 && bind(door, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT(listen(door, 1) == 0);
	connection = accept(door, NULL, NULL);
	EXPECT(connection >= 0 && receive(connection, fds) == count);
	for (int i = 0; i < count; i++)
		EXPECT(dup2(fds[i], FIRST + i) >= 0 && close(fds[i]) == 0);
	EXPECT(write(connection, "x", 1) == 1 && close(connection) == 0 && close(door) == 0);
	EXPECT(unlink(address.sun_path) == 0);
}

static void expect_text(int fd, const char *text)
{
	char bytes[16] = "";

	EXPECT(read(fd, bytes, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(strcmp(bytes, text) == 0);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0);
	return cookie;
}

static void verify(const char *what, int fd)
{
	struct stat st;

	EXPECT(fstat(fd, &st) == 0);
	if (strcmp(what, "unix") == 0) {
		EXPECT(write(fd, "hello", 5) == 5);
		expect_text(fd, "world");
	} else if (strcmp(what, "pipe") == 0) {
		expect_text(fd, "news");
	} else if (strcmp(what, "terminal") == 0) {
		EXPECT(isatty(fd));
	} else if (strcmp(what, "udp") == 0) {
		EXPECT(cookie_of(fd) != cookie_of(socket(AF_INET, SOCK_DGRAM, 0)));
	} else {
		EXPECT(S_ISCHR(st.st_mode) && !isatty(fd));
	}
}

int main(int argc, char **argv)
{
	(void)victim_dir();
	take_all(argc - 1);
	wait_for_restore();
	for (int i = 1; i < argc; i++)
		verify(argv[i], FIRST + i - 1);
	victim_done();
}
