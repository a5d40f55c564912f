/* container: a container of several processes that does nothing but be one. */
#include <sys/wait.h>

#include "victim.h"

int main(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		victim_wait_file("go");
		_exit(getppid() == 1 && getpid() != 1 ? 0 : 1);
	}
	EXPECT(getpid() == 1);
	wait_for_restore();
	EXPECT(getpid() == 1 && waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
