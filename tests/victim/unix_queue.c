/* What waits in unix sockets: data, packets, datagrams and who sent them, descriptors on their way,
 * also some that no table has, credentials, an offset for peeking. */
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

#define AMOUNT 100000

static socklen_t address_of(const char *name, struct sockaddr_un *address)
{
	size_t length = strlen(name);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, length);
	address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int bound(const char *name)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
	return fd;
}

static void connect_to(int fd, const char *name)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);

	EXPECT(connect(fd, (struct sockaddr *)&address, size) == 0);
}

static void send_to(int fd, const char *name, const char *text)
{
	struct sockaddr_un address;
	socklen_t size = address_of(name, &address);

	EXPECT(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, size) ==
	       (ssize_t)strlen(text));
}

static void expect_from(int fd, const char *text, const char *sender)
{
	struct sockaddr_un from, expected;
	socklen_t size = sizeof(from), expected_size = address_of(sender, &expected);
	char back[64];
	ssize_t n = recvfrom(fd, back, sizeof(back), MSG_DONTWAIT, (struct sockaddr *)&from, &size);

	EXPECT(n == (ssize_t)strlen(text) && memcmp(back, text, (size_t)n) == 0);
	if (sender[0] == '\0') {
		EXPECT(size == 0);
	} else {
		EXPECT(size == expected_size && memcmp(&from, &expected, size) == 0);
	}
}

static void expect_text(int fd, const char *text)
{
	char back[64];
	ssize_t n = recv(fd, back, sizeof(back), MSG_DONTWAIT);

	EXPECT(n == (ssize_t)strlen(text) && memcmp(back, text, (size_t)n) == 0);
}

static void expect_empty(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* ---- descriptors ---- */

static void send_files(int fd, const char *text, const int *files, size_t count)
{
	union {
		char room[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { .room = { 0 } };
	struct iovec part = { (char *)text, strlen(text) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(rights), files, count * sizeof(int));
	EXPECT(sendmsg(fd, &header, 0) == (ssize_t)strlen(text));
}

static size_t receive_files(int fd, const char *text, int *files)
{
	union {
		char room[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char back[64];
	struct iovec part = { back, strlen(text) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control.room) };
	struct cmsghdr *rights;
	size_t count;

	EXPECT(recvmsg(fd, &header, MSG_DONTWAIT) == (ssize_t)strlen(text));
	EXPECT(memcmp(back, text, strlen(text)) == 0);
	rights = CMSG_FIRSTHDR(&header);
	if (!rights)
		return 0;
	EXPECT(rights->cmsg_type == SCM_RIGHTS);
	count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(files, CMSG_DATA(rights), count * sizeof(int));
	return count;
}

/* ---- streams and packets ---- */

static char data[AMOUNT], back[AMOUNT];

struct streams {
	int plain[2], packets[2], empty[2], peeked[2];
};

static struct streams make_streams(void)
{
	struct streams streams;
	int offset = 3;

	for (size_t i = 0; i < AMOUNT; i++)
		data[i] = (char)(i * 7);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, streams.plain) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, streams.packets) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, streams.empty) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, streams.peeked) == 0);
	EXPECT(send(streams.plain[0], data, AMOUNT, 0) == AMOUNT);
	EXPECT(send(streams.plain[1], "other way", 9, 0) == 9);
	for (int i = 0; i < 3; i++)
		EXPECT(send(streams.packets[0], data, (size_t)(5000 * i + 1), 0) == 5000 * i + 1);
	EXPECT(send(streams.packets[0], "", 0, 0) == 0);
	EXPECT(send(streams.packets[0], "end", 3, 0) == 3);
	EXPECT(send(streams.packets[0], "", 0, 0) == 0);
	EXPECT(send(streams.packets[0], "", 0, 0) == 0);
	EXPECT(shutdown(streams.packets[0], SHUT_WR) == 0);
	EXPECT(send(streams.packets[1], "", 0, 0) == 0);
	EXPECT(send(streams.empty[0], "", 0, 0) == 0);
	EXPECT(send(streams.empty[0], "x", 1, 0) == 1);
	EXPECT(recv(streams.empty[1], back, AMOUNT, MSG_PEEK) == 0);
	EXPECT(send(streams.peeked[0], "abcdef", 6, 0) == 6);
	EXPECT(setsockopt(streams.peeked[1], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) ==
	       0);
	return streams;
}

/* An empty packet has a sender, the end of file has none. */
static bool has_packet(int fd)
{
	char room[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr header = { .msg_control = room, .msg_controllen = sizeof(room) };
	const int on = 1, off = 0;
	bool was_off;
	int now = 1;
	socklen_t size = sizeof(now);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &now, &size) == 0);
	was_off = now == 0;
	EXPECT(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	EXPECT(recvmsg(fd, &header, MSG_PEEK) == 0);
	EXPECT(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)) == 0);
	return was_off && header.msg_controllen > 0;
}

static void check_streams(const struct streams *streams)
{
	char peeked[8];

	EXPECT(recv(streams->plain[1], back, AMOUNT, MSG_WAITALL) == AMOUNT);
	EXPECT(memcmp(data, back, AMOUNT) == 0);
	expect_empty(streams->plain[1]);
	expect_text(streams->plain[0], "other way");
	for (int i = 0; i < 3; i++) {
		EXPECT(recv(streams->packets[1], back, AMOUNT, 0) == 5000 * i + 1);
		EXPECT(memcmp(data, back, (size_t)(5000 * i + 1)) == 0);
	}
	EXPECT(recv(streams->packets[1], back, AMOUNT, 0) == 0);
	EXPECT(recv(streams->packets[1], back, AMOUNT, 0) == 3);
	for (int i = 0; i < 2; i++) {
		EXPECT(has_packet(streams->packets[1]));
		EXPECT(recv(streams->packets[1], back, AMOUNT, 0) == 0);
	}
	EXPECT(!has_packet(streams->packets[1]));
	EXPECT(recv(streams->packets[1], back, AMOUNT, 0) == 0);
	EXPECT(recv(streams->packets[0], back, AMOUNT, MSG_DONTWAIT) == 0);
	expect_empty(streams->packets[0]);
	EXPECT(recv(streams->empty[1], back, AMOUNT, MSG_DONTWAIT) == 0);
	EXPECT(recv(streams->empty[1], back, AMOUNT, MSG_DONTWAIT) == 1);
	expect_empty(streams->empty[1]);
	EXPECT(recv(streams->peeked[1], peeked, 2, MSG_PEEK) == 2 && memcmp(peeked, "de", 2) == 0);
	EXPECT(recv(streams->peeked[1], peeked, 8, MSG_PEEK) == 1 && peeked[0] == 'f');
	expect_text(streams->peeked[1], "abcdef");
}

/* ---- datagrams ---- */

struct datagrams {
	int server, client, stranger, pair[2], self, connected;
};

static struct datagrams make_datagrams(void)
{
	struct datagrams all = { .server = bound("@server"), .client = bound("@client") };
	int dying = bound("@dying");
	int nameless = socket(AF_UNIX, SOCK_DGRAM, 0);

	all.stranger = bound("@stranger");
	all.self = bound("@self");
	all.connected = bound("@connected");
	EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, all.pair) == 0);
	connect_to(all.client, "@server");
	EXPECT(send(all.client, "first", 5, 0) == 5);
	send_to(all.stranger, "@server", "second");
	send_to(dying, "@server", "third");
	send_to(nameless, "@server", "fourth");
	send_to(dying, "@server", "fifth");
	EXPECT(close(dying) == 0 && close(nameless) == 0);
	for (int i = 0; i < 20; i++)
		EXPECT(send(all.pair[0], data, (size_t)i + 1, 0) == i + 1);
	connect_to(all.self, "@self");
	EXPECT(send(all.self, "to myself", 9, 0) == 9);
	/* What others sent before it was connected stays. */
	send_to(all.client, "@connected", "early");
	connect_to(all.connected, "@stranger");
	send_to(all.stranger, "@connected", "late");
	return all;
}

static void check_datagrams(const struct datagrams *all)
{
	expect_from(all->server, "first", "@client");
	expect_from(all->server, "second", "@stranger");
	expect_from(all->server, "third", "@dying");
	expect_from(all->server, "fourth", "");
	expect_from(all->server, "fifth", "@dying");
	expect_empty(all->server);
	for (int i = 0; i < 20; i++)
		EXPECT(recv(all->pair[1], back, AMOUNT, MSG_DONTWAIT) == i + 1);
	expect_empty(all->pair[1]);
	expect_from(all->self, "to myself", "@self");
	expect_from(all->connected, "early", "@client");
	expect_from(all->connected, "late", "@stranger");
	EXPECT(send(all->client, "again", 5, 0) == 5);
	expect_from(all->server, "again", "@client");
	EXPECT(send(all->connected, "back", 4, 0) == 4);
	expect_from(all->stranger, "back", "@connected");
}

/* ---- descriptors on their way ---- */

struct flights {
	int pair[2], outer[2], event, loop[2];
};

static struct flights make_flights(void)
{
	struct flights all = { .event = eventfd(5, 0) };
	int inner[2], ends[2], counter = eventfd(7, 0), epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 3 };

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, all.pair) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, all.outer) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, all.loop) == 0);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0 && pipe(ends) == 0);
	EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, all.event, &event) == 0);

	EXPECT(send(all.pair[0], "before", 6, 0) == 6);
	send_files(all.pair[0], "with", (int[]){ all.event, counter }, 2);
	EXPECT(send(all.pair[0], "between", 7, 0) == 7);
	send_files(all.pair[0], "more", (int[]){ counter, epoll }, 2);
	EXPECT(write(ends[1], "in a pipe", 9) == 9);
	send_files(inner[0], "deep", (int[]){ ends[0] }, 1);
	send_files(all.outer[0], "inner", (int[]){ inner[1] }, 1);
	/* One that waits in its own queue. */
	send_files(all.loop[0], "self", (int[]){ all.loop[1] }, 1);
	EXPECT(close(inner[0]) == 0 && close(inner[1]) == 0 && close(ends[0]) == 0);
	EXPECT(close(ends[1]) == 0 && close(counter) == 0 && close(epoll) == 0);
	return all;
}

static uint64_t count_of(int event)
{
	uint64_t count = 0;

	EXPECT(read(event, &count, sizeof(count)) == sizeof(count));
	return count;
}

static void check_flights(const struct flights *all)
{
	struct epoll_event event;
	int files[8], more[8];

	EXPECT(receive_files(all->pair[1], "before", files) == 0);
	EXPECT(receive_files(all->pair[1], "with", files) == 2);
	EXPECT(receive_files(all->pair[1], "between", more) == 0);
	EXPECT(receive_files(all->pair[1], "more", more) == 2);
	expect_empty(all->pair[1]);
	EXPECT(epoll_wait(more[1], &event, 1, 0) == 1 && event.data.u32 == 3);
	EXPECT(count_of(files[0]) == 5 && count_of(files[1]) == 7);
	/* The same description twice. */
	EXPECT(write(all->event, &(uint64_t){ 9 }, 8) == 8 && count_of(files[0]) == 9);
	EXPECT(write(more[0], &(uint64_t){ 4 }, 8) == 8 && count_of(files[1]) == 4);

	EXPECT(receive_files(all->outer[1], "inner", files) == 1);
	EXPECT(receive_files(files[0], "deep", more) == 1);
	EXPECT(recv(files[0], back, 1, 0) == 0);
	EXPECT(read(more[0], back, 100) == 9 && memcmp(back, "in a pipe", 9) == 0);
	EXPECT(read(more[0], back, 100) == 0);
	EXPECT(receive_files(all->loop[1], "self", files) == 1);
	EXPECT(send(all->loop[0], "x", 1, 0) == 1 && recv(files[0], back, 1, 0) == 1);
}

/* ---- credentials ---- */

struct trust {
	int pair[2], from_child[2];
	pid_t child;
};

static struct trust make_trust(void)
{
	struct trust trust;
	int one = 1;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, trust.pair) == 0);
	EXPECT(setsockopt(trust.pair[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0);
	EXPECT(send(trust.pair[0], "mine", 4, 0) == 4);
	trust.child = fork();
	EXPECT(trust.child >= 0);
	if (trust.child == 0) {
		EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, trust.from_child) == 0);
		EXPECT(send(trust.pair[0], "child's", 7, 0) == 7);
		send_files(trust.pair[0], "pair", &trust.from_child[0], 1);
		_exit(0);
	}
	EXPECT(waitpid(trust.child, NULL, 0) == trust.child);
	EXPECT(send(trust.pair[0], "mine", 4, 0) == 4);
	return trust;
}

static void expect_credentials(int fd, const char *text, pid_t pid)
{
	union {
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char got[64];
	struct iovec part = { got, sizeof(got) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control.room) };
	struct ucred own;

	EXPECT(recvmsg(fd, &header, MSG_DONTWAIT) == (ssize_t)strlen(text));
	EXPECT(memcmp(got, text, strlen(text)) == 0);
	EXPECT(CMSG_FIRSTHDR(&header) && CMSG_FIRSTHDR(&header)->cmsg_type == SCM_CREDENTIALS);
	memcpy(&own, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(own));
	EXPECT(own.pid == pid && own.uid == getuid() && own.gid == getgid());
}

static void check_trust(const struct trust *trust)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	EXPECT(getsockopt(trust->pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	EXPECT(peer.pid == getpid() && peer.uid == getuid() && peer.gid == getgid());
	expect_credentials(trust->pair[1], "mine", getpid());
	expect_credentials(trust->pair[1], "child'spair", trust->child);
	expect_credentials(trust->pair[1], "mine", getpid());
}

int main(void)
{
	struct streams streams = make_streams();
	struct datagrams datagrams = make_datagrams();
	struct flights flights = make_flights();
	struct trust trust = make_trust();

	wait_for_restore();

	check_streams(&streams);
	check_datagrams(&datagrams);
	check_flights(&flights);
	check_trust(&trust);
	victim_done();
}
