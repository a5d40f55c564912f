/* TCP sockets without a connection: new, bound, listening, of IPv4 and IPv6, with options, in a
 * group that shares a port, with a filter. With three numbers, a socket of that family, type and
 * protocol. */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "victim.h"

static struct sockaddr_in at(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int make(int family, int flags)
{
	int fd = socket(family, SOCK_STREAM | flags, 0);

	EXPECT(fd >= 0);
	return fd;
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	EXPECT(getsockopt(fd, level, name, &value, &size) == 0);
	return value;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);

	EXPECT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	return ntohs(address.sin6_port);
}

/* A stream through a listening socket. */
static void expect_answers(int listener, const struct sockaddr *address, socklen_t size)
{
	int client = make(address->sa_family, 0);
	int server;
	char byte;

	EXPECT(connect(client, address, size) == 0);
	server = accept(listener, NULL, NULL);
	EXPECT(server >= 0);
	EXPECT(write(client, "x", 1) == 1 && read(server, &byte, 1) == 1 && byte == 'x');
	EXPECT(write(server, "y", 1) == 1 && read(client, &byte, 1) == 1 && byte == 'y');
	EXPECT(close(client) == 0 && close(server) == 0);
}

/* Takes 100 bytes of what comes, as a program would see it. */
static void attach_filter(int fd)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 100 } };
	struct sock_fprog program = { 1, code };

	EXPECT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	set(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

static void expect_filter(int fd)
{
	struct sock_filter code[2];
	socklen_t count = 2;

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, code, &count) == 0 && count == 1);
	EXPECT(code[0].code == (BPF_RET | BPF_K) && code[0].k == 100);
	EXPECT(get(fd, SOL_SOCKET, SO_LOCK_FILTER) == 1);
}

static void set_options(int fd)
{
	struct timeval time = { .tv_sec = 7, .tv_usec = 250000 };
	struct linger linger = { .l_onoff = 1, .l_linger = 11 };

	EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	EXPECT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	EXPECT(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	EXPECT(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, SOL_SOCKET, SO_SNDBUF, 30000);
	set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 8);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 12345);
	set(fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
	set(fd, IPPROTO_IP, IP_TOS, 0x10);
	set(fd, IPPROTO_IP, IP_TTL, 33);
	/* The type of service sets one. */
	set(fd, SOL_SOCKET, SO_PRIORITY, 5);
}

static void expect_options(int fd)
{
	struct timeval time = { .tv_sec = 0 };
	struct linger linger = { .l_onoff = 0 };
	char name[16] = "";
	socklen_t size = sizeof(time);

	EXPECT(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, &size) == 0);
	EXPECT(time.tv_sec == 7 && time.tv_usec >= 240000 && time.tv_usec <= 260000);
	size = sizeof(linger);
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0);
	EXPECT(linger.l_onoff == 1 && linger.l_linger == 11);
	size = sizeof(name);
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0);
	EXPECT(strcmp(name, "lo") == 0);
	size = sizeof(name);
	EXPECT(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0);
	EXPECT(strcmp(name, "reno") == 0);
	EXPECT(get(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
	EXPECT(get(fd, SOL_SOCKET, SO_SNDBUF) == 60000);
	EXPECT(get(fd, SOL_SOCKET, SO_OOBINLINE) == 1);
	EXPECT(get(fd, SOL_SOCKET, SO_PRIORITY) == 5);
	EXPECT(get(fd, SOL_SOCKET, SO_REUSEADDR) == 0);
	EXPECT(get(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	EXPECT(get(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77);
	EXPECT(get(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 8);
	EXPECT(get(fd, IPPROTO_TCP, TCP_KEEPCNT) == 3);
	EXPECT(get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 12345);
	EXPECT(get(fd, IPPROTO_TCP, TCP_MAXSEG) == 1000);
	EXPECT(get(fd, IPPROTO_IP, IP_TOS) == 0x10);
	EXPECT(get(fd, IPPROTO_IP, IP_TTL) == 33);
	EXPECT(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static void foreign(char **numbers)
{
	int fd = socket(atoi(numbers[0]), atoi(numbers[1]), atoi(numbers[2]));

	EXPECT(fd >= 0);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	struct sockaddr_in bound_at = at(4001), listen_at = at(80), group_at = at(4003);
	struct sockaddr_in6 v6_at = { .sin6_family = AF_INET6,
				      .sin6_port = htons(4002),
				      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fresh = make(AF_INET, SOCK_NONBLOCK);
	int bound = make(AF_INET, 0);
	int listener = make(AF_INET, 0);
	int v6 = make(AF_INET6, 0);
	int group[2] = { make(AF_INET, 0), make(AF_INET, 0) };
	struct tcp_info info;
	socklen_t size = sizeof(info);
	char byte;

	if (argc > 3)
		foreign(argv + 1);
	set_options(fresh);
	attach_filter(fresh);
	EXPECT(bind(bound, (struct sockaddr *)&bound_at, sizeof(bound_at)) == 0);
	set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	EXPECT(bind(listener, (struct sockaddr *)&listen_at, sizeof(listen_at)) == 0);
	EXPECT(listen(listener, 17) == 0);
	set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	EXPECT(bind(v6, (struct sockaddr *)&v6_at, sizeof(v6_at)) == 0 && listen(v6, 1) == 0);
	for (int i = 0; i < 2; i++) {
		set(group[i], SOL_SOCKET, SO_REUSEPORT, 1);
		EXPECT(bind(group[i], (struct sockaddr *)&group_at, sizeof(group_at)) == 0);
		EXPECT(listen(group[i], 5) == 0);
	}

	wait_for_restore();

	expect_options(fresh);
	expect_filter(fresh);
	EXPECT(read(fresh, &byte, 1) < 0 && errno == ENOTCONN);
	EXPECT(port_of(fresh) == 0);
	EXPECT(port_of(bound) == 4001);
	EXPECT(get(bound, SOL_SOCKET, SO_REUSEADDR) == 0 &&
	       get(bound, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	EXPECT(listen(bound, 1) == 0);
	expect_answers(bound, (struct sockaddr *)&bound_at, sizeof(bound_at));
	EXPECT(get(listener, SOL_SOCKET, SO_REUSEADDR) == 1);
	EXPECT(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
	EXPECT(info.tcpi_sacked == 17);
	expect_answers(listener, (struct sockaddr *)&listen_at, sizeof(listen_at));
	EXPECT(get(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
	expect_answers(v6, (struct sockaddr *)&v6_at, sizeof(v6_at));
	EXPECT(get(group[0], SOL_SOCKET, SO_REUSEPORT) == 1 && port_of(group[1]) == 4003);
	victim_done();
}
