/* TCP connections with a program outside of the container, which is this one too, with a directory
 * of its own and "peer" as its first argument. Then, for both: an address and a port, and what they
 * do: "talk" while the container is saved, or "states" that connections are in: with an end of the
 * stream that came or went, and queues that are full. "connecting": to whom nobody answers. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { TALK_MINIMUM = 1 << 20 };

static unsigned char byte_at(size_t place)
{
	return (unsigned char)(place * 31 + place / 251);
}

static size_t send_some(int fd, size_t place)
{
	unsigned char piece[5003];
	ssize_t n;

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = byte_at(place + i);
	n = send(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);
	EXPECT(n > 0 || errno == EAGAIN);
	return n > 0 ? (size_t)n : 0;
}

static size_t stuff(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	size_t place = 0;

	while (poll(&room, 1, 300) > 0)
		place += send_some(fd, place);
	return place;
}

/* Returns how many came; 0 at the end. */
static size_t receive_some(int fd, size_t place)
{
	unsigned char piece[60000];
	ssize_t n = recv(fd, piece, sizeof(piece), 0);

	EXPECT(n >= 0);
	for (ssize_t i = 0; i < n; i++)
		EXPECT(piece[i] == byte_at(place + (size_t)i));
	return (size_t)n;
}

static size_t receive_all(int fd)
{
	size_t place = 0;
	size_t n;

	while ((n = receive_some(fd, place)) > 0)
		place += n;
	return place;
}

static void expect_text(int fd, const char *text)
{
	char bytes[16] = "";

	EXPECT(recv(fd, bytes, strlen(text), MSG_WAITALL) == (ssize_t)strlen(text));
	EXPECT(strcmp(bytes, text) == 0);
}

static void expect_end(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, 0) == 0);
}

static void say(int fd, const char *text)
{
	EXPECT(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Both send all that goes, and see every byte of the other one, until the container has enough. */
static void talk(int fd, bool is_peer)
{
	size_t sent = 0;
	size_t received = 0;
	bool is_ready = false;
	bool is_done = false;

	for (;;) {
		struct pollfd state = { .fd = fd, .events = is_done ? POLLIN : POLLIN | POLLOUT };

		EXPECT(poll(&state, 1, -1) == 1);
		if (state.revents & POLLIN) {
			size_t n = receive_some(fd, received);

			if (n == 0)
				break;
			received += n;
		}
		if (!is_done && state.revents & POLLOUT)
			sent += send_some(fd, sent);
		if (!is_ready && received > TALK_MINIMUM && sent > TALK_MINIMUM)
			victim_write("ready", "");
		is_ready = is_ready || (received > TALK_MINIMUM && sent > TALK_MINIMUM);
		if (!is_peer && !is_done && is_ready && victim_has_file("go")) {
			is_done = true;
			EXPECT(shutdown(fd, SHUT_WR) == 0);
		}
	}
	if (is_peer)
		EXPECT(shutdown(fd, SHUT_WR) == 0);
	victim_done();
}

enum { IDLE, HEARD_END, SAID_END, FULL, FULL_END, UNREAD, UNREAD_END, STATES };

static void states_of_peer(const int fds[STATES])
{
	size_t stuffed[2];

	say(fds[HEARD_END], "news");
	EXPECT(shutdown(fds[HEARD_END], SHUT_WR) == 0);
	stuffed[0] = stuff(fds[UNREAD]);
	say(fds[UNREAD_END], "unread");
	EXPECT(shutdown(fds[UNREAD_END], SHUT_WR) == 0);
	wait_for_restore();
	expect_text(fds[IDLE], "hello");
	say(fds[IDLE], "world");
	expect_text(fds[HEARD_END], "reply");
	expect_end(fds[HEARD_END]);
	expect_end(fds[SAID_END]);
	say(fds[SAID_END], "later");
	EXPECT(close(fds[SAID_END]) == 0);
	stuffed[1] = receive_all(fds[FULL]);
	EXPECT(send(fds[FULL], &stuffed[1], sizeof(stuffed[1]), 0) == sizeof(stuffed[1]));
	stuffed[1] = receive_all(fds[FULL_END]);
	EXPECT(send(fds[FULL_END], &stuffed[1], sizeof(stuffed[1]), 0) == sizeof(stuffed[1]));
	EXPECT(shutdown(fds[UNREAD], SHUT_WR) == 0);
	EXPECT(recv(fds[UNREAD], &stuffed[1], sizeof(size_t), MSG_WAITALL) == sizeof(size_t));
	EXPECT(stuffed[0] == stuffed[1]);
	expect_end(fds[UNREAD_END]);
	victim_done();
}

static size_t receive_number(int fd)
{
	size_t number = 0;

	EXPECT(recv(fd, &number, sizeof(number), MSG_WAITALL) == sizeof(number));
	return number;
}

static void states(const int fds[STATES])
{
	struct pollfd input = { .fd = fds[UNREAD_END], .events = POLLRDHUP };
	size_t stuffed[2];
	size_t count;
	char byte;

	EXPECT(shutdown(fds[SAID_END], SHUT_WR) == 0);
	stuffed[0] = stuff(fds[FULL]);
	stuffed[1] = stuff(fds[FULL_END]);
	EXPECT(shutdown(fds[FULL_END], SHUT_WR) == 0);
	EXPECT(poll(&input, 1, 60000) == 1);
	wait_for_restore();
	say(fds[IDLE], "hello");
	expect_text(fds[IDLE], "world");
	expect_text(fds[HEARD_END], "news");
	expect_end(fds[HEARD_END]);
	say(fds[HEARD_END], "reply");
	EXPECT(close(fds[HEARD_END]) == 0);
	EXPECT(send(fds[SAID_END], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	expect_text(fds[SAID_END], "later");
	expect_end(fds[SAID_END]);
	EXPECT(shutdown(fds[FULL], SHUT_WR) == 0);
	EXPECT(receive_number(fds[FULL]) == stuffed[0]);
	EXPECT(receive_number(fds[FULL_END]) == stuffed[1]);
	count = receive_all(fds[UNREAD]);
	EXPECT(send(fds[UNREAD], &count, sizeof(count), MSG_NOSIGNAL) == sizeof(count));
	expect_text(fds[UNREAD_END], "unread");
	EXPECT(recv(fds[UNREAD_END], &byte, 1, 0) == 0 && close(fds[UNREAD_END]) == 0);
	victim_done();
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address parse(const char *text, const char *port, socklen_t *ret_size)
{
	union address address = { .v4 = { .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)atoi(port)) } };

	*ret_size = sizeof(address.v4);
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
		return address;
	memset(&address, 0, sizeof(address));
	address.v6.sin6_family = AF_INET6;
	address.v6.sin6_port = htons((uint16_t)atoi(port));
	EXPECT(inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1);
	*ret_size = sizeof(address.v6);
	return address;
}

static void meet(const union address *address, socklen_t size, bool is_peer, int *fds, int count)
{
	int one = 1;
	int listener = socket(address->any.sa_family, SOCK_STREAM, 0);

	EXPECT(listener >= 0);
	if (is_peer) {
		EXPECT(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
		EXPECT(bind(listener, &address->any, size) == 0 && listen(listener, 8) == 0);
		victim_write("listening", "");
	}
	for (int i = 0; i < count; i++) {
		fds[i] = is_peer ? accept(listener, NULL, NULL)
				 : socket(address->any.sa_family, SOCK_STREAM, 0);
		EXPECT(fds[i] >= 0);
		EXPECT(is_peer || connect(fds[i], &address->any, size) == 0);
	}
	EXPECT(close(listener) == 0);
}

/* Until the other end is there, if it ever is. */
static void connecting(const union address *address, socklen_t size)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	EXPECT(fd >= 0 && connect(fd, &address->any, size) < 0 && errno == EINPROGRESS);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	bool is_peer = argc == 5 && strcmp(argv[1], "peer") == 0;
	const char *what = argv[argc - 1];
	union address address;
	socklen_t size;
	int fds[STATES];

	(void)victim_dir();
	EXPECT(argc == 4 + is_peer);
	address = parse(argv[argc - 3], argv[argc - 2], &size);
	if (strcmp(what, "connecting") == 0 && !is_peer)
		connecting(&address, size);
	meet(&address, size, is_peer, fds, strcmp(what, "talk") == 0 ? 1 : STATES);
	if (strcmp(what, "talk") == 0)
		talk(fds[0], is_peer);
	if (is_peer)
		states_of_peer(fds);
	states(fds);
}
