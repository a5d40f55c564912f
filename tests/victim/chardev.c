/* The harmless devices. */
#include <sys/sysmacros.h>

#include "victim.h"

static void expect_device(int fd, unsigned int device_minor)
{
	struct stat st;

	EXPECT(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode));
	EXPECT(st.st_rdev == makedev(1, device_minor));
}

int main(void)
{
	int null = open("/dev/null", O_RDWR);
	int zero = open("/dev/zero", O_RDONLY | O_NONBLOCK);
	int full = open("/dev/full", O_WRONLY);
	int urandom = open("/dev/urandom", O_RDONLY);
	char byte = 'x';

	EXPECT(null >= 0 && zero >= 0 && full >= 0 && urandom >= 0);
	wait_for_restore();
	expect_device(null, 3);
	expect_device(zero, 5);
	expect_device(full, 7);
	expect_device(urandom, 9);
	EXPECT(fcntl(zero, F_GETFL) & O_NONBLOCK);
	EXPECT(read(null, &byte, 1) == 0 && write(null, &byte, 1) == 1);
	EXPECT(read(zero, &byte, 1) == 1 && byte == '\0');
	EXPECT(write(full, &byte, 1) < 0 && errno == ENOSPC);
	EXPECT(read(urandom, &byte, 1) == 1);
	victim_done();
}
