/* TCP connections that are being made: the server's queue is full, so that nobody answers. One by a
 * process that waits in connect(2), and one by a socket that does not wait. With "accepted", there
 * is only the first, and room for it from now on: it is made as soon as the client asks again. */
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

enum { SYN_SENT = 2, RETRIES = 5 };

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t size = sizeof(info);

	EXPECT(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	return info;
}

static void wait_for_state(int fd, int retries)
{
	struct timespec pause = { .tv_nsec = 2 * 1000 * 1000 };
	struct tcp_info info;

	while ((info = info_of(fd)).tcpi_state != SYN_SENT || info.tcpi_retransmits < retries)
		(void)nanosleep(&pause, NULL);
}

static pid_t start_client(int fd, const struct sockaddr_in *server)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT(connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0);
		EXPECT(send(fd, "c", 1, 0) == 1);
		_exit(0);
	}
	return pid;
}

/* Whoever it is, it has said something. */
static void serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char byte;

	EXPECT(fd >= 0 && recv(fd, &byte, 1, 0) == 1 && byte == 'c');
	EXPECT(close(fd) == 0);
}

/* In the order in which they come. */
static void serve_both(int listener, int client)
{
	struct pollfd made = { .fd = client, .events = POLLOUT };
	int fds[2];
	char byte;

	for (int i = 0; i < 2; i++) {
		fds[i] = accept(listener, NULL, NULL);
		EXPECT(fds[i] >= 0);
	}
	EXPECT(poll(&made, 1, -1) == 1 && made.revents == POLLOUT);
	EXPECT(send(client, "c", 1, 0) == 1);
	for (int i = 0; i < 2; i++)
		EXPECT(recv(fds[i], &byte, 1, 0) == 1 && byte == 'c');
}

int main(int argc, char **argv)
{
	bool is_accepted = argc > 1 && strcmp(argv[1], "accepted") == 0;
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(server);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int first = socket(AF_INET, SOCK_STREAM, 0);
	int waiting = socket(AF_INET, SOCK_STREAM, 0);
	int other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	pid_t client;
	int status;

	(void)victim_dir();
	EXPECT(bind(listener, (struct sockaddr *)&server, sizeof(server)) == 0);
	EXPECT(listen(listener, 0) == 0);
	EXPECT(getsockname(listener, (struct sockaddr *)&server, &size) == 0);
	EXPECT(connect(first, (struct sockaddr *)&server, sizeof(server)) == 0);
	client = start_client(waiting, &server);
	wait_for_state(waiting, is_accepted ? RETRIES : 0);
	if (is_accepted) {
		int fd = accept(listener, NULL, NULL);

		EXPECT(fd >= 0 && close(fd) == 0 && close(first) == 0);
	} else {
		EXPECT(connect(other, (struct sockaddr *)&server, sizeof(server)) < 0);
		EXPECT(errno == EINPROGRESS);
		wait_for_state(other, 0);
	}
	wait_for_restore();
	if (!is_accepted)
		EXPECT(send(first, "c", 1, 0) == 1);
	serve(listener);
	if (!is_accepted)
		serve_both(listener, other);
	EXPECT(waitpid(client, &status, 0) == client && status == 0);
	victim_done();
}
