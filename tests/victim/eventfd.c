/* eventfd: a counter and a semaphore. */
#include <sys/eventfd.h>

#include "victim.h"

int main(void)
{
	int fd = eventfd(7, EFD_NONBLOCK);
	int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	int blocking = eventfd(0, 0);
	uint64_t count;

	EXPECT(fd >= 0 && semaphore >= 0 && blocking >= 0);
	wait_for_restore();
	EXPECT(read(fd, &count, sizeof(count)) == sizeof(count) && count == 7);
	EXPECT(read(fd, &count, sizeof(count)) < 0 && errno == EAGAIN);
	EXPECT(read(semaphore, &count, sizeof(count)) == sizeof(count) && count == 1);
	EXPECT(read(semaphore, &count, sizeof(count)) == sizeof(count) && count == 1);
	EXPECT(read(semaphore, &count, sizeof(count)) < 0);
	EXPECT(!(fcntl(blocking, F_GETFL) & O_NONBLOCK));
	victim_done();
}
