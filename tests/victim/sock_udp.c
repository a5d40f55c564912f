/* UDP sockets: bound, connected, of IPv4 and IPv6, in a multicast group, sharing a port, with
 * datagrams that were not read. With an argument, one that cannot be saved: "corked". */
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

static union place {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} at(int family, uint16_t port)
{
	union place place;

	memset(&place, 0, sizeof(place));
	place.any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		place.v4.sin_port = htons(port);
		place.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		place.v6.sin6_port = htons(port);
		place.v6.sin6_addr = in6addr_loopback;
	}
	return place;
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

static int make(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);

	EXPECT(fd >= 0);
	return fd;
}

static int bound(int family, uint16_t port)
{
	union place place = at(family, port);
	int fd = make(family);

	EXPECT(bind(fd, &place.any, sizeof(place)) == 0);
	return fd;
}

static void send_to(int fd, int family, uint16_t port, const char *data, size_t size)
{
	union place place = at(family, port);

	EXPECT(sendto(fd, data, size, 0, &place.any, sizeof(place)) == (ssize_t)size);
}

static void expect_from(int fd, uint16_t port, const char *data, size_t size)
{
	static char room[65536];
	union place place;
	socklen_t length = sizeof(place);
	ssize_t n = recvfrom(fd, room, sizeof(room), MSG_DONTWAIT, &place.any, &length);

	EXPECT(n == (ssize_t)size && memcmp(room, data, size) == 0);
	EXPECT(ntohs(place.v4.sin_port) == port);
}

static void expect_nothing(int fd)
{
	char byte;

	EXPECT(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static void refused(void)
{
	int fd = bound(AF_INET, 5999);
	union place place = at(AF_INET, 5999);

	EXPECT(connect(fd, &place.any, sizeof(place)) == 0);
	EXPECT(send(fd, "half", 4, MSG_MORE) == 4);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	static char large[60000];
	int sender, other, receiver, dual, connected[2], six, member, group[2];
	union place place = at(AF_INET6, 5003);
	struct ip_mreqn membership = { .imr_multiaddr.s_addr = inet_addr("239.1.2.3"),
				       .imr_ifindex = 1 };
	struct ipv6_mreq six_membership = { .ipv6mr_interface = 1 };
	size_t counts[2];
	int fresh;

	(void)victim_dir();
	(void)argv;
	if (argc > 1)
		refused();
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 13);
	fresh = make(AF_INET);
	sender = bound(AF_INET, 5000);
	other = bound(AF_INET, 5001);
	receiver = bound(AF_INET, 5002);
	dual = make(AF_INET6);
	place.v6.sin6_addr = in6addr_any;
	EXPECT(bind(dual, &place.any, sizeof(place)) == 0);
	connected[0] = bound(AF_INET, 5004);
	connected[1] = bound(AF_INET, 5005);
	for (int i = 0; i < 2; i++) {
		place = at(AF_INET, (uint16_t)(5005 - i));
		EXPECT(connect(connected[i], &place.any, sizeof(place)) == 0);
	}
	six = bound(AF_INET6, 5006);
	member = bound(AF_INET, 5007);
	EXPECT(setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) ==
	       0);
	EXPECT(inet_pton(AF_INET6, "ff02::1234", &six_membership.ipv6mr_multiaddr) == 1);
	EXPECT(setsockopt(six, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six_membership,
			  sizeof(six_membership)) == 0);
	for (int name = IPV6_2292PKTINFO; name <= IPV6_2292RTHDR; name++)
		set(six, IPPROTO_IPV6, name, 1);
	set(six, IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1);
	for (int i = 0; i < 2; i++) {
		group[i] = make(AF_INET);
		set(group[i], SOL_SOCKET, SO_REUSEPORT, 1);
		place = at(AF_INET, 5008);
		EXPECT(bind(group[i], &place.any, sizeof(place)) == 0);
	}
	set(sender, SOL_SOCKET, SO_BROADCAST, 1);
	set(receiver, SOL_SOCKET, SO_RCVBUF, 100000);
	set(sender, IPPROTO_IP, IP_MULTICAST_TTL, 5);

	send_to(sender, AF_INET, 5002, "one", 3);
	send_to(other, AF_INET, 5002, "", 0);
	send_to(sender, AF_INET, 5002, large, sizeof(large));
	send_to(other, AF_INET, 5002, "", 0);
	send_to(sender, AF_INET, 5003, "mapped", 6);
	send_to(six, AF_INET6, 5003, "six", 3);
	EXPECT(send(connected[0], "to you", 6, 0) == 6);
	send_to(sender, AF_INET, 5007, "hello", 5);
	/* Somebody who is gone when it is read. */
	for (int i = 0; i < 10; i++) {
		int stranger = bound(AF_INET, (uint16_t)(6000 + i));

		send_to(stranger, AF_INET, 5008, "shared", 6);
		EXPECT(close(stranger) == 0);
	}
	counts[0] = counts[1] = 0;
	for (int i = 0; i < 2; i++) {
		char byte;

		set(group[i], SOL_SOCKET, SO_PEEK_OFF, 0);
		while (recv(group[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) >= 0)
			counts[i]++;
		set(group[i], SOL_SOCKET, SO_PEEK_OFF, -1);
	}

	wait_for_restore();

	expect_from(receiver, 5000, "one", 3);
	expect_from(receiver, 5001, "", 0);
	expect_from(receiver, 5000, large, sizeof(large));
	expect_from(receiver, 5001, "", 0);
	expect_nothing(receiver);
	EXPECT(get(receiver, SOL_SOCKET, SO_RCVBUF) == 200000);
	EXPECT(get(receiver, IPPROTO_IP, IP_PKTINFO) == 0);
	EXPECT(get(receiver, SOL_SOCKET, SO_PEEK_OFF) == -1);
	expect_from(dual, 5000, "mapped", 6);
	expect_from(dual, 5006, "six", 3);
	expect_nothing(dual);
	expect_from(connected[1], 5004, "to you", 6);
	expect_nothing(connected[1]);
	EXPECT(send(connected[1], "back", 4, 0) == 4);
	expect_from(connected[0], 5005, "back", 4);
	send_to(sender, AF_INET, 5004, "from a stranger", 15);
	expect_nothing(connected[0]);
	expect_from(member, 5000, "hello", 5);
	place = at(AF_INET, 5007);
	place.v4.sin_addr.s_addr = inet_addr("239.1.2.3");
	membership.imr_multiaddr.s_addr = 0;
	EXPECT(setsockopt(member, IPPROTO_IP, IP_DROP_MEMBERSHIP,
			  &(struct ip_mreqn){ .imr_multiaddr.s_addr = inet_addr("239.1.2.3"),
					      .imr_ifindex = 1 },
			  sizeof(membership)) == 0);
	EXPECT(setsockopt(six, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &six_membership,
			  sizeof(six_membership)) == 0);
	for (int name = IPV6_2292PKTINFO; name <= IPV6_2292RTHDR; name++)
		EXPECT(get(six, IPPROTO_IPV6, name) == 1);
	EXPECT(get(six, IPPROTO_IPV6, IPV6_2292HOPLIMIT) == 1);
	EXPECT(get(sender, SOL_SOCKET, SO_BROADCAST) == 1);
	EXPECT(get(sender, SOL_SOCKET, SO_REUSEADDR) == 0);
	EXPECT(get(sender, IPPROTO_IP, IP_MULTICAST_TTL) == 5);
	for (int i = 0; i < 2; i++) {
		char bytes[6];

		for (size_t n = 0; n < counts[i]; n++)
			EXPECT(recv(group[i], bytes, 6, MSG_DONTWAIT) == 6);
		expect_nothing(group[i]);
	}
	EXPECT(counts[0] + counts[1] == 10);
	send_to(fresh, AF_INET, 5001, "new", 3);
	EXPECT(recv(other, large, 3, MSG_DONTWAIT) == 3);
	victim_done();
}
