/* Ping sockets: bound to an identifier, connected, of ICMPv6. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

static void allow(void)
{
	char text[32];
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);
	int length = snprintf(text, sizeof(text), "%u %u", getgid(), getgid());

	EXPECT(fd >= 0 && write(fd, text, (size_t)length) == length && close(fd) == 0);
}

static void expect_reply(int fd, const void *request, size_t size, unsigned char type)
{
	struct pollfd input = { .fd = fd, .events = POLLIN };
	unsigned char reply[100];

	EXPECT(send(fd, request, size, 0) == (ssize_t)size);
	EXPECT(poll(&input, 1, 10000) == 1);
	EXPECT(recv(fd, reply, sizeof(reply), 0) == (ssize_t)size && reply[0] == type);
}

int main(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_port = htons(4711),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 here6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct icmphdr request = { .type = ICMP_ECHO };
	struct icmp6_hdr request6 = { .icmp6_type = ICMP6_ECHO_REQUEST };
	socklen_t size = sizeof(here);
	int ping, ping6;

	allow();
	ping = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	ping6 = socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
	EXPECT(ping >= 0 && ping6 >= 0);
	EXPECT(bind(ping, (struct sockaddr *)&here, sizeof(here)) == 0);
	here.sin_port = 0;
	EXPECT(connect(ping, (struct sockaddr *)&here, sizeof(here)) == 0);
	EXPECT(connect(ping6, (struct sockaddr *)&here6, sizeof(here6)) == 0);

	wait_for_restore();

	EXPECT(getsockname(ping, (struct sockaddr *)&here, &size) == 0);
	EXPECT(ntohs(here.sin_port) == 4711);
	expect_reply(ping, &request, sizeof(request), ICMP_ECHOREPLY);
	expect_reply(ping6, &request6, sizeof(request6), ICMP6_ECHO_REPLY);
	victim_done();
}
