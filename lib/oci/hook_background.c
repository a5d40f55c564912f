/* What a hook leaves behind: a process that goes on when it has returned. */
#include <fcntl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "oci/hook.h"

/* Whoever called the hook waits until nobody has its pipes. */
static void let_go(int *const *fds, size_t count)
{
	enum { FIRST = 3, HIGH = 64 };
	int null = open("/dev/null", O_RDWR);

	for (int n = 0; n < FIRST; n++)
		(void)dup2(null, n);
	for (size_t i = 0; i < count; i++)
		*fds[i] = *fds[i] < 0 ? -1 : fcntl(*fds[i], F_DUPFD_CLOEXEC, HIGH);
	for (size_t i = 0; i < count; i++) {
		if (*fds[i] >= 0)
			*fds[i] = dup3(*fds[i], FIRST + (int)i, O_CLOEXEC);
	}
	(void)close_range(FIRST + (unsigned int)count, ~0u, 0);
	(void)setsid();
	(void)!chdir("/");
}

pid_t hook_fork(int *const *fds, size_t count, struct err *err)
{
	pid_t child = fork();

	if (child == 0)
		let_go(fds, count);
	return child < 0 ? err_set(err, -errno, "create a process") : child;
}
