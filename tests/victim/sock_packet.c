/* Packet sockets: bound to an interface, to all, to none; with groups, fanout and options. With the
 * argument "ring", one with a ring; with "unread", one with a packet to be read. */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "victim.h"

enum { FANOUT = 7 | PACKET_FANOUT_LB << 16 };

static struct sockaddr_ll name_of(int fd)
{
	struct sockaddr_ll address = { 0 };
	socklen_t size = sizeof(address);

	EXPECT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	return address;
}

static int make(int type, int protocol, bool is_bound)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(protocol),
				       .sll_ifindex = 1 };
	int fd = socket(AF_PACKET, type, is_bound ? 0 : htons(protocol));

	EXPECT(fd >= 0);
	EXPECT(!is_bound || bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Somebody receives it: else there would be an answer of ICMP, too. */
static void send_to_myself(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(9999),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT(sendto(fd, "hello", 5, 0, (struct sockaddr *)&address, sizeof(address)) == 5);
	EXPECT(close(fd) == 0);
}

static int option_of(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	EXPECT(getsockopt(fd, SOL_PACKET, name, &value, &size) == 0);
	return value;
}

static void set_option(int fd, int name, int value)
{
	EXPECT(setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) == 0);
}

static void add_ring(int fd)
{
	struct tpacket_req ring = {
		.tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = 2
	};

	EXPECT(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) == 0);
}

/* The headers of Ethernet, IP and UDP are in front of what was sent, or the latter two. Others may
 * send as well. */
static bool has_packet(int fd, ssize_t headers)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char data[65536];
	ssize_t size;

	do {
		if (poll(&readable, 1, getenv("CROWD") ? 100 : 20000) != 1)
			return false;
		size = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	} while (getenv("CROWD") &&
		 (size != headers + 5 || memcmp(data + headers, "hello", 5) != 0));
	return size == headers + 5 && memcmp(data + headers, "hello", 5) == 0;
}

/* What others send takes turns with ours. */
static void expect_packet(int fd, ssize_t headers)
{
	bool is_there;

	while (!(is_there = has_packet(fd, headers)) && getenv("CROWD"))
		send_to_myself();
	EXPECT(is_there);
}

static bool is_joined(void)
{
	char text[4096] = "";
	int fd = open("/proc/net/dev_mcast", O_RDONLY);

	EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	EXPECT(close(fd) == 0);
	return strstr(text, "01005e010203") != NULL;
}

int main(int argc, char **argv)
{
	struct packet_mreq group = { .mr_ifindex = 1,
				     .mr_type = PACKET_MR_MULTICAST,
				     .mr_alen = 6,
				     .mr_address = { 1, 0, 0x5e, 1, 2, 3 } };
	struct sock_filter nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	struct sock_fprog filter = { .len = 1, .filter = &nothing };
	const char *extra = argc > 1 ? argv[1] : "";
	int none = make(SOCK_RAW, 0, false);
	int bound = make(SOCK_RAW, ETH_P_IP, true);
	int all = make(SOCK_DGRAM, ETH_P_IP, false);
	int deaf = make(SOCK_RAW, ETH_P_ALL, true);
	int first = make(SOCK_RAW, ETH_P_IP, true);
	int second = make(SOCK_RAW, ETH_P_IP, true);
	char byte;

	(void)victim_dir();
	EXPECT(setsockopt(deaf, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0);
	EXPECT(setsockopt(none, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	set_option(bound, PACKET_AUXDATA, 1);
	set_option(bound, PACKET_VERSION, TPACKET_V2);
	set_option(all, PACKET_IGNORE_OUTGOING, 1);
	set_option(first, PACKET_FANOUT, FANOUT);
	set_option(second, PACKET_FANOUT, FANOUT);
	if (strcmp(extra, "ring") == 0)
		add_ring(none);
	if (strcmp(extra, "unread") == 0)
		send_to_myself();

	wait_for_restore();

	if (strcmp(extra, "unread") == 0)
		victim_done();
	EXPECT(name_of(none).sll_protocol == 0 && name_of(none).sll_ifindex == 0);
	EXPECT(name_of(bound).sll_protocol == htons(ETH_P_IP) && name_of(bound).sll_ifindex == 1);
	EXPECT(name_of(all).sll_protocol == htons(ETH_P_IP) && name_of(all).sll_ifindex == 0);
	EXPECT(option_of(bound, PACKET_AUXDATA) == 1);
	EXPECT(option_of(bound, PACKET_VERSION) == TPACKET_V2);
	EXPECT(option_of(all, PACKET_IGNORE_OUTGOING) == 1);
	EXPECT(option_of(first, PACKET_FANOUT) == FANOUT);
	EXPECT(option_of(second, PACKET_FANOUT) == FANOUT);
	EXPECT(is_joined());
	EXPECT(setsockopt(none, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &group, sizeof(group)) == 0);
	EXPECT(!is_joined());
	send_to_myself();
	send_to_myself();
	expect_packet(bound, 14 + 20 + 8);
	expect_packet(all, 20 + 8);
	EXPECT(recv(deaf, &byte, 1, MSG_DONTWAIT) < 0 && recv(none, &byte, 1, MSG_DONTWAIT) < 0);
	expect_packet(first, 14 + 20 + 8);
	expect_packet(second, 14 + 20 + 8);
	victim_done();
}
