/* netns: sockets in a network namespace that their process is not in, beside one with the same
 * address in its own; a peer that is in it. With the argument `held`, nobody is in it: sockets of
 * all sorts, and the descriptor of it, are all that there is. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "victim.h"

static struct sockaddr_in address = { .sin_family = AF_INET };

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
	(void)close(fd);
}

static int bind_here(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static int listen_here(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT(listen(fd, 4) == 0);
	return fd;
}

/* A name that is free in every network namespace. */
static int listen_by_name(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0netns" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t) + 6) == 0);
	EXPECT(listen(fd, 4) == 0);
	return fd;
}

static void expect_named(int fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0netns" };
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = 'b';
	int accepted;

	EXPECT(connect(client, (struct sockaddr *)&name, sizeof(sa_family_t) + 6) == 0);
	accepted = accept(fd, NULL, NULL);
	EXPECT(accepted >= 0 && write(accepted, &byte, 1) == 1 && read(client, &byte, 1) == 1);
}

/* It is bound elsewhere. */
static void expect_no_name(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0netns" };
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	EXPECT(connect(client, (struct sockaddr *)&name, sizeof(sa_family_t) + 6) < 0);
	EXPECT(errno == ECONNREFUSED);
	(void)close(client);
}

/* In the other namespace: sends there, and connects, when it is told to. */
static void be_peer(int ready)
{
	char byte = 'x';
	char text[8];
	int pair[2];
	int named;
	int fd;

	EXPECT(unshare(CLONE_NEWNET) == 0);
	raise_loopback();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	named = listen_by_name();
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write(pair[0], "queued", 6) == 6);
	EXPECT(fd >= 0 && write(ready, &byte, 1) == 1);
	victim_wait_file("go");
	expect_named(named);
	EXPECT(read(pair[1], text, sizeof(text)) == 6 && memcmp(text, "queued", 6) == 0);
	EXPECT(sendto(fd, "hello", 5, 0, (struct sockaddr *)&address, sizeof(address)) == 5);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	_exit(0);
}

static int open_net(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	return fd;
}

/* A group that is no member's in the container's own network. */
static void join_group(int fd)
{
	struct ip_mreqn group = { .imr_ifindex = (int)if_nametoindex("lo") };

	EXPECT(inet_pton(AF_INET, "239.1.2.3", &group.imr_multiaddr) == 1);
	EXPECT(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
}

static int count_group(int fd)
{
	struct ip_mreqn group = { .imr_ifindex = 1 };

	EXPECT(inet_pton(AF_INET, "239.1.2.3", &group.imr_multiaddr) == 1);
	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 &&
	       errno == EADDRINUSE;
}

struct held {
	int own, other;
	int datagram, client, listener, connected, accepted, named, netlink;
};

static struct held hold(void)
{
	struct held held = { .own = open_net(getpid()) };

	EXPECT(unshare(CLONE_NEWNET) == 0);
	raise_loopback();
	held.other = open_net(getpid());
	held.datagram = bind_here();
	join_group(held.datagram);
	held.client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	held.listener = listen_here();
	held.connected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	EXPECT(connect(held.connected, (struct sockaddr *)&address, sizeof(address)) == 0);
	held.accepted = accept(held.listener, NULL, NULL);
	EXPECT(held.accepted >= 0 && write(held.connected, "queued", 6) == 6);
	held.named = listen_by_name();
	held.netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	EXPECT(held.netlink >= 0 && setns(held.own, CLONE_NEWNET) == 0);
	return held;
}

static void be_holder(void)
{
	struct held held = hold();
	int outside = bind_here();
	char text[16];

	wait_for_restore();

	EXPECT(sendto(held.client, "hello", 5, 0, (struct sockaddr *)&address, sizeof(address)) ==
	       5);
	EXPECT(recv(held.datagram, text, sizeof(text), 0) == 5 && memcmp(text, "hello", 5) == 0);
	EXPECT(recv(outside, text, sizeof(text), MSG_DONTWAIT) < 0 && errno == EAGAIN);
	EXPECT(count_group(held.datagram));
	EXPECT(read(held.accepted, text, sizeof(text)) == 6 && memcmp(text, "queued", 6) == 0);
	EXPECT(write(held.accepted, "back", 4) == 4);
	EXPECT(read(held.connected, text, sizeof(text)) == 4 && memcmp(text, "back", 4) == 0);
	expect_no_name();
	victim_done();
}

int main(int argc, char **argv)
{
	char text[16] = "";
	int ready[2];
	int outside;
	int named;
	int inside[2];
	int own;
	int other;
	pid_t peer;
	int status;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(4242);
	if (argc > 1 && strcmp(argv[1], "held") == 0)
		be_holder();
	EXPECT(pipe(ready) == 0);
	peer = fork();
	if (peer == 0)
		be_peer(ready[1]);
	EXPECT(peer > 0 && read(ready[0], text, 1) == 1);
	own = open_net(getpid());
	other = open_net(peer);
	outside = bind_here();
	named = listen_by_name();
	EXPECT(setns(other, CLONE_NEWNET) == 0);
	inside[0] = bind_here();
	inside[1] = listen_here();
	EXPECT(setns(own, CLONE_NEWNET) == 0);

	wait_for_restore();

	expect_named(named);
	EXPECT(recv(inside[0], text, sizeof(text), 0) == 5 && memcmp(text, "hello", 5) == 0);
	EXPECT(accept(inside[1], NULL, NULL) >= 0);
	EXPECT(recv(outside, text, sizeof(text), MSG_DONTWAIT) < 0 && errno == EAGAIN);
	EXPECT(waitpid(peer, &status, 0) == peer && status == 0);
	victim_done();
}
