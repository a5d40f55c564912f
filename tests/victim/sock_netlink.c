/* Netlink sockets: with ports, groups, options and a peer; those of the kernel answer. With an
 * argument, one that has an answer to be read. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "victim.h"

enum { PORT = 4242, OTHER_PORT = 4243 };

static int make(int protocol, uint32_t port, uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_pid = port,
				       .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	EXPECT(fd >= 0);
	EXPECT(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static struct sockaddr_nl name_of(int fd)
{
	struct sockaddr_nl address = { 0 };
	socklen_t size = sizeof(address);

	EXPECT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	return address;
}

static void ask_for_links(int fd)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} question = { .header = { .nlmsg_len = sizeof(question),
				   .nlmsg_type = RTM_GETLINK,
				   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	EXPECT(send(fd, &question, sizeof(question), 0) == sizeof(question));
}

static void expect_option(int fd, int name, int wanted)
{
	int value = -1;
	socklen_t size = sizeof(value);

	EXPECT(getsockopt(fd, SOL_NETLINK, name, &value, &size) == 0 && value == wanted);
}

static void expect_groups(int fd, uint32_t first, uint32_t second)
{
	uint32_t groups[64] = { 0 };
	socklen_t size = sizeof(groups);

	EXPECT(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) == 0);
	EXPECT(groups[0] == first && groups[1] == second);
}

int main(int argc, char **argv)
{
	static char answer[65536];
	int route = make(NETLINK_ROUTE, 0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR);
	int uevent = make(NETLINK_KOBJECT_UEVENT, 0xfffff000, 1);
	int user = make(NETLINK_USERSOCK, PORT, 0);
	int other = make(NETLINK_USERSOCK, OTHER_PORT, 0);
	int fresh = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	struct sockaddr_nl peer = { .nl_family = AF_NETLINK, .nl_pid = OTHER_PORT };
	uint32_t port = name_of(route).nl_pid;
	int group = 34;
	int on = 1;

	(void)victim_dir();
	(void)argv;
	EXPECT(setsockopt(route, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	EXPECT(setsockopt(route, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) == 0);
	EXPECT(setsockopt(route, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof(on)) == 0);
	EXPECT(setsockopt(uevent, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) == 0);
	EXPECT(connect(user, (struct sockaddr *)&peer, sizeof(peer)) == 0);
	EXPECT(fresh >= 0);
	if (argc > 1)
		ask_for_links(route);

	wait_for_restore();

	if (argc > 1)
		victim_done();
	EXPECT(name_of(route).nl_pid == port && port != 0);
	expect_groups(route, RTMGRP_LINK | RTMGRP_IPV4_IFADDR, 1u << 1);
	expect_option(route, NETLINK_EXT_ACK, 1);
	expect_option(route, NETLINK_PKTINFO, 1);
	expect_option(route, NETLINK_CAP_ACK, 0);
	EXPECT(name_of(uevent).nl_pid == 0xfffff000 && name_of(uevent).nl_groups == 1);
	expect_option(uevent, NETLINK_NO_ENOBUFS, 1);
	EXPECT(name_of(fresh).nl_pid == 0 && fcntl(fresh, F_GETFL) & O_NONBLOCK);
	EXPECT(name_of(user).nl_pid == PORT && send(user, "hello", 5, 0) == 5);
	EXPECT(recv(other, answer, sizeof(answer), MSG_DONTWAIT) == 5);
	ask_for_links(route);
	EXPECT(recv(route, answer, sizeof(answer), 0) > (ssize_t)sizeof(struct nlmsghdr));
	EXPECT(((struct nlmsghdr *)(void *)answer)->nlmsg_type == RTM_NEWLINK);
	victim_done();
}
