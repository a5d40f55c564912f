/* ns_net: a loopback interface that is up, and nothing else. With an argument, what that command
 * makes of the network, which is looked at from outside; further ones are interfaces that lose an
 * offload. */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "victim.h"

static void expect_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	EXPECT(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_UP);
	EXPECT(bind(fd, (struct sockaddr *)&address, size) == 0);
	EXPECT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	EXPECT(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, size) == 1);
	EXPECT(recv(fd, &byte, 1, 0) == 1 && byte == 'x');
	EXPECT(close(fd) == 0);
}

/* GSO, which ethtool(8) calls generic-segmentation-offload. */
static uint32_t offload(const char *link, uint32_t command, uint32_t value)
{
	struct ethtool_value question = { .cmd = command, .data = value };
	struct ifreq request = { .ifr_data = (void *)&question };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)snprintf(request.ifr_name, IFNAMSIZ, "%s", link);
	EXPECT(fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && close(fd) == 0);
	return question.data;
}

int main(int argc, char **argv)
{
	struct if_nameindex *names;

	if (argc > 1)
		EXPECT(system(argv[1]) == 0);
	for (int i = 2; i < argc; i++)
		(void)offload(argv[i], ETHTOOL_SGSO, 0);
	wait_for_restore();
	for (int i = 2; i < argc; i++)
		EXPECT(offload(argv[i], ETHTOOL_GGSO, 0) == 0);
	if (argc > 1)
		victim_done();
	expect_loopback();
	names = if_nameindex();
	EXPECT(names && strcmp(names[0].if_name, "lo") == 0 && names[1].if_index == 0);
	victim_done();
}
