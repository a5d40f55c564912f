/* The new network namespace has a loopback device, which is down. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "container/parts.h"
#include "core/cleanup.h"

int net_loopback_up(struct err *err)
{
	struct ifreq request;
	auto_close int fd = -1;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(err, -errno, "bring loopback up: create a socket");
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, "lo", sizeof("lo"));
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return err_set(err, -errno, "bring loopback up: read its flags");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_set(err, -errno, "bring loopback up");
	return 0;
}
