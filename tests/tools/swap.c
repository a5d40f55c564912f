/* swap A B: exchanges two files for one another, again and again after pauses of all lengths up to
 * a millisecond, until it is killed, or two minutes are over. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv)
{
	uint32_t random = 1;

	(void)alarm(120);
	while (argc == 3 &&
	       syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0) {
		struct timespec pause = { .tv_nsec = (random >> 8) % 1000000 };

		(void)nanosleep(&pause, NULL);
		random = random * 1664525 + 1013904223;
	}
	perror("swap");
	return 1;
}
