/* TCP connections with both ends in the container: idle, with queues that are full in both
 * directions, half closed, closed by the other end, closed by both, waiting to be accepted, being
 * made. With an argument, one that cannot be saved: "urgent", "unaccepted", "closing"; "outside"
 * and a port: one that leads to somebody else. "apart": all servers are in another network
 * namespace, at the other end of a veth. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

struct pair {
	int client, server, listener;
	struct sockaddr_storage address; /* of the client */
};

/* Of servers; both network namespaces, if there are two: of clients, and of servers. */
static struct in_addr server_v4;
static struct in6_addr server_v6;
static int networks[2] = { -1, -1 };

static void enter(int network)
{
	EXPECT(network < 0 || setns(network, CLONE_NEWNET) == 0);
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

/* `family` of the server; a client of IPv4 finds one of IPv6 too. */
static struct pair make_pair(int family, int client_family)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = server_v4 };
	struct pair pair;
	socklen_t size = sizeof(pair.address);

	enter(networks[1]);
	pair.listener = socket(family, SOCK_STREAM, 0);
	enter(networks[0]);
	EXPECT(pair.listener >= 0);
	if (family == AF_INET)
		EXPECT(bind(pair.listener, (struct sockaddr *)&v4, sizeof(v4)) == 0);
	else
		EXPECT(bind(pair.listener, (struct sockaddr *)&v6, sizeof(v6)) == 0);
	EXPECT(listen(pair.listener, 8) == 0);
	EXPECT(getsockname(pair.listener, (struct sockaddr *)&pair.address, &size) == 0);
	v6.sin6_addr = server_v6;
	v4.sin_port = v6.sin6_port = ((struct sockaddr_in *)&pair.address)->sin_port;
	pair.client = socket(client_family, SOCK_STREAM, 0);
	if (client_family == AF_INET)
		EXPECT(connect(pair.client, (struct sockaddr *)&v4, sizeof(v4)) == 0);
	else
		EXPECT(connect(pair.client, (struct sockaddr *)&v6, sizeof(v6)) == 0);
	pair.server = accept(pair.listener, NULL, NULL);
	EXPECT(pair.server >= 0);
	size = sizeof(pair.address);
	EXPECT(getsockname(pair.client, (struct sockaddr *)&pair.address, &size) == 0);
	return pair;
}

static unsigned char byte_at(size_t place)
{
	return (unsigned char)(place * 31 + place / 251);
}

/* Sends until nothing more is taken; returns how much it was. */
static size_t stuff(int fd, size_t start)
{
	unsigned char piece[10007];
	size_t place = start;

	for (;;) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = byte_at(place + i);
		n = send(fd, piece, sizeof(piece), MSG_DONTWAIT);
		if (n < 0) {
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			EXPECT(errno == EAGAIN);
			if (poll(&room, 1, 50) == 0)
				return place - start;
			continue;
		}
		place += (size_t)n;
	}
}

static void expect_bytes(int fd, size_t start, size_t count)
{
	unsigned char piece[60000];

	while (count > 0) {
		ssize_t n = recv(fd, piece, count < sizeof(piece) ? count : sizeof(piece), 0);

		EXPECT(n > 0);
		for (ssize_t i = 0; i < n; i++)
			EXPECT(piece[i] == byte_at(start + (size_t)i));
		start += (size_t)n;
		count -= (size_t)n;
	}
}

static void expect_nothing(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static void expect_end(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, 0) == 0);
}

static void expect_talk(const struct pair *pair)
{
	EXPECT(write(pair->client, "ab", 2) == 2 && write(pair->server, "cd", 2) == 2);
	for (int i = 0; i < 2; i++) {
		char bytes[3] = "";

		EXPECT(recv(i ? pair->client : pair->server, bytes, 2, MSG_WAITALL) == 2);
		EXPECT(strcmp(bytes, i ? "cd" : "ab") == 0);
	}
}

/* Many megabytes each way, by turns. */
static void expect_transfer(const struct pair *pair)
{
	for (int i = 0; i < 4; i++) {
		int from = i % 2 ? pair->client : pair->server;
		int to = i % 2 ? pair->server : pair->client;

		expect_bytes(to, 7, stuff(from, 7));
	}
}

static void expect_same_address(const struct pair *pair)
{
	struct sockaddr_storage now;
	socklen_t size = sizeof(now);

	memset(&now, 0, sizeof(now));
	EXPECT(getpeername(pair->server, (struct sockaddr *)&now, &size) == 0);
	EXPECT(((struct sockaddr_in *)&now)->sin_port ==
	       ((const struct sockaddr_in *)&pair->address)->sin_port);
	size = sizeof(now);
	EXPECT(getsockname(pair->client, (struct sockaddr *)&now, &size) == 0);
	EXPECT(((struct sockaddr_in *)&now)->sin_port ==
	       ((const struct sockaddr_in *)&pair->address)->sin_port);
}

/* Makes what is refused, and waits for a restore that does not come. */
static void refused(const char *what)
{
	struct pair pair = make_pair(AF_INET, AF_INET);
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int second = socket(AF_INET, SOCK_STREAM, 0);

	EXPECT(getpeername(pair.client, (struct sockaddr *)&address, &size) == 0);
	if (strcmp(what, "urgent") == 0) {
		EXPECT(send(pair.client, "!", 1, MSG_OOB) == 1);
	} else if (strcmp(what, "unaccepted") == 0) {
		EXPECT(connect(second, (struct sockaddr *)&address, size) == 0);
		EXPECT(write(second, "early", 5) == 5);
	} else {
		(void)stuff(pair.server, 0);
		EXPECT(close(pair.server) == 0);
	}
	wait_for_restore();
	victim_done();
}

/* What came before the checkpoint, and nothing else. */
static void outside(const char *port)
{
	struct sockaddr_in there = { .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)atoi(port)),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd input = { .fd = fd, .events = POLLIN };
	char bytes[5] = "";

	EXPECT(fd >= 0 && connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0);
	EXPECT(poll(&input, 1, 10000) == 1);
	wait_for_restore();
	EXPECT(recv(fd, bytes, 4, MSG_WAITALL) == 4 && strcmp(bytes, "news") == 0);
	expect_end(fd);
	EXPECT(send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	victim_done();
}

static int open_network(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	return fd;
}

static void run_ip(const char *script)
{
	char command[500];

	(void)snprintf(command, sizeof(command), "set -e; PATH=$PATH:/usr/sbin:/sbin; %s", script);
	EXPECT(system(command) == 0);
}

/* A process that only is in the other network. */
static pid_t go_apart(void)
{
	char script[100];
	int ready[2];
	char byte = 'x';
	pid_t child;

	EXPECT(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		EXPECT(unshare(CLONE_NEWNET) == 0 && write(ready[1], &byte, 1) == 1);
		victim_wait_file("go");
		_exit(0);
	}
	EXPECT(child > 0 && read(ready[0], &byte, 1) == 1);
	networks[0] = open_network(getpid());
	networks[1] = open_network(child);
	(void)snprintf(script, sizeof(script), "ip link add near type veth peer name far netns %d",
		       child);
	run_ip(script);
	run_ip("ip address add 10.9.0.1/24 dev near; ip address add fd09::1/64 dev near nodad;"
	       "ip link set near up");
	enter(networks[1]);
	run_ip("ip address add 10.9.0.2/24 dev far; ip address add fd09::2/64 dev far nodad;"
	       "ip link set far up");
	enter(networks[0]);
	EXPECT(inet_pton(AF_INET, "10.9.0.2", &server_v4) == 1);
	EXPECT(inet_pton(AF_INET6, "fd09::2", &server_v6) == 1);
	return child;
}

int main(int argc, char **argv)
{
	struct pair idle, mixed, v6, full, half, widow, dead, deaf;
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	size_t amounts[2];
	int waiting[2];
	pid_t child = 0;
	char byte;

	(void)victim_dir();
	server_v4.s_addr = htonl(INADDR_LOOPBACK);
	server_v6 = in6addr_loopback;
	if (argc > 2)
		outside(argv[2]);
	if (argc > 1 && strcmp(argv[1], "apart") == 0)
		child = go_apart();
	else if (argc > 1)
		refused(argv[1]);
	idle = make_pair(AF_INET, AF_INET);
	mixed = make_pair(AF_INET6, AF_INET);
	v6 = make_pair(AF_INET6, AF_INET6);
	full = make_pair(AF_INET, AF_INET);
	half = make_pair(AF_INET6, AF_INET6);
	widow = make_pair(AF_INET, AF_INET);
	dead = make_pair(AF_INET, AF_INET);
	deaf = make_pair(AF_INET, AF_INET);

	set(idle.client, IPPROTO_TCP, TCP_NODELAY, 1);
	set(idle.client, SOL_SOCKET, SO_KEEPALIVE, 1);
	EXPECT(write(mixed.client, "hello", 5) == 5);
	amounts[0] = stuff(full.client, 1);
	amounts[1] = stuff(full.server, 2);
	EXPECT(write(half.client, "last words", 10) == 10 && shutdown(half.client, SHUT_WR) == 0);
	EXPECT(write(widow.server, "legacy", 6) == 6 && close(widow.server) == 0);
	EXPECT(write(dead.client, "from client", 11) == 11);
	EXPECT(write(dead.server, "from server", 11) == 11);
	EXPECT(shutdown(dead.client, SHUT_WR) == 0 && shutdown(dead.server, SHUT_WR) == 0);
	EXPECT(shutdown(deaf.client, SHUT_RD) == 0);
	EXPECT(getpeername(idle.client, (struct sockaddr *)&address, &size) == 0);
	waiting[0] = socket(AF_INET, SOCK_STREAM, 0);
	waiting[1] = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT(connect(waiting[0], (struct sockaddr *)&address, size) == 0);
	EXPECT(connect(waiting[1], (struct sockaddr *)&address, size) == 0);

	wait_for_restore();

	expect_same_address(&idle);
	expect_nothing(idle.client);
	expect_nothing(idle.server);
	expect_talk(&idle);
	expect_transfer(&idle);
	size = sizeof(int);
	EXPECT(getsockopt(idle.client, IPPROTO_TCP, TCP_NODELAY, &(int){ 0 }, &size) == 0);
	EXPECT(recv(mixed.server, &byte, 1, 0) == 1 && byte == 'h');
	for (int i = 0; i < 4; i++)
		EXPECT(recv(mixed.server, &byte, 1, 0) == 1 && byte == "ello"[i]);
	expect_talk(&mixed);
	expect_talk(&v6);
	expect_transfer(&v6);

	expect_same_address(&full);
	expect_bytes(full.server, 1, amounts[0]);
	expect_bytes(full.client, 2, amounts[1]);
	expect_nothing(full.server);
	expect_nothing(full.client);
	expect_transfer(&full);

	for (int i = 0; i < 10; i++)
		EXPECT(recv(half.server, &byte, 1, 0) == 1 && byte == "last words"[i]);
	expect_end(half.server);
	EXPECT(write(half.server, "z", 1) == 1 && recv(half.client, &byte, 1, 0) == 1);
	expect_nothing(half.client);
	EXPECT(close(half.server) == 0);
	expect_end(half.client);

	for (int i = 0; i < 6; i++)
		EXPECT(recv(widow.client, &byte, 1, 0) == 1 && byte == "legacy"[i]);
	expect_end(widow.client);

	for (int i = 0; i < 11; i++) {
		EXPECT(recv(dead.client, &byte, 1, 0) == 1 && byte == "from server"[i]);
		EXPECT(recv(dead.server, &byte, 1, 0) == 1 && byte == "from client"[i]);
	}
	expect_end(dead.client);
	expect_end(dead.server);
	EXPECT(send(dead.client, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);

	EXPECT(recv(deaf.client, &byte, 1, 0) == 0);
	EXPECT(write(deaf.client, "q", 1) == 1 && recv(deaf.server, &byte, 1, 0) == 1);

	for (int i = 0; i < 2; i++) {
		int server = accept(idle.listener, NULL, NULL);

		EXPECT(server >= 0 && write(server, "w", 1) == 1 && close(server) == 0);
	}
	for (int i = 0; i < 2; i++)
		EXPECT(recv(waiting[i], &byte, 1, 0) == 1 && byte == 'w');
	EXPECT(child == 0 || waitpid(child, NULL, 0) == child);
	victim_done();
}
