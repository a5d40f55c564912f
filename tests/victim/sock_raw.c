/* Raw sockets: of a protocol, with headers, connected, with a filter of ICMP types; an ICMPv6 one.
 * With an argument, one that cannot be saved: "queued". */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "victim.h"

enum { PROTOCOL = 253 /* for experiments, RFC 3692 */ };

static struct sockaddr_in loopback(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = loopback();
	int plain = socket(AF_INET, SOCK_RAW, PROTOCOL);
	int header = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	int icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	int icmp6 = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	uint32_t mask = ~(1u << ICMP_ECHOREPLY);
	struct icmp6_filter types;
	struct iphdr *ip;
	char data[200];
	socklen_t size = sizeof(mask);
	int value = 0;

	(void)victim_dir();
	(void)argv;
	EXPECT(plain >= 0 && header >= 0 && icmp >= 0 && icmp6 >= 0);
	EXPECT(connect(plain, (struct sockaddr *)&here, sizeof(here)) == 0);
	EXPECT(setsockopt(icmp, SOL_RAW, 1 /* ICMP_FILTER */, &mask, sizeof(mask)) == 0);
	ICMP6_FILTER_SETBLOCKALL(&types);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &types);
	EXPECT(setsockopt(icmp6, IPPROTO_ICMPV6, ICMP6_FILTER, &types, sizeof(types)) == 0);
	if (argc > 1)
		EXPECT(send(plain, "queued", 6, 0) == 6);

	wait_for_restore();

	EXPECT(send(plain, "hello", 5, 0) == 5);
	EXPECT(recv(plain, data, sizeof(data), MSG_DONTWAIT) == 25);
	ip = (struct iphdr *)(void *)data;
	EXPECT(ip->protocol == PROTOCOL && memcmp(data + 20, "hello", 5) == 0);
	EXPECT(getsockopt(header, IPPROTO_IP, IP_HDRINCL, &value, &size) == 0 && value == 1);
	mask = 0;
	EXPECT(getsockopt(icmp, SOL_RAW, 1, &mask, &size) == 0);
	EXPECT(mask == ~(1u << ICMP_ECHOREPLY));
	memset(&types, 0, sizeof(types));
	size = sizeof(types);
	EXPECT(getsockopt(icmp6, IPPROTO_ICMPV6, ICMP6_FILTER, &types, &size) == 0);
	EXPECT(ICMP6_FILTER_WILLPASS(ICMP6_ECHO_REPLY, &types));
	EXPECT(ICMP6_FILTER_WILLBLOCK(ICMP6_ECHO_REQUEST, &types));
	victim_done();
}
