/* A process that ends a restore whose command was killed. The worker looks for that between its
 * steps, but may hang in one: a file's server that does not answer, a helper that somebody has
 * stopped. Then the death of the first task, who takes all others along, lets it go on, and clean
 * up. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "restore/watch.h"

enum { PATIENCE_MS = 2000 }; /* for the worker, who mostly sees it himself */

static bool await(int fd, int milliseconds)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };
	int r;

	do {
		r = poll(&state, 1, milliseconds);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

static _Noreturn void watch(int lifeline, int init, pid_t worker)
{
	int kept[] = { fcntl(lifeline, F_DUPFD_CLOEXEC, 3), fcntl(init, F_DUPFD_CLOEXEC, 3) };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker || dup2(kept[0], 0) < 0 || dup2(kept[1], 1) < 0)
		_exit(1);
	(void)close_range(2, ~0u, 0);
	if (await(0, -1) && !await(1, PATIENCE_MS))
		(void)syscall(SYS_pidfd_send_signal, 1, SIGKILL, NULL, 0);
	_exit(0);
}

int restore_watch_begin(int lifeline, int init_pidfd, pid_t *ret_watcher, struct err *err)
{
	pid_t worker = getpid();
	sigset_t all;
	sigset_t before;
	pid_t child;

	if (lifeline < 0)
		return 0;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0)
		watch(lifeline, init_pidfd, worker);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return err_set(err, -errno, "create a process");
	*ret_watcher = child;
	return 0;
}

void restore_watch_end(pid_t *watcher)
{
	if (*watcher <= 0)
		return;
	(void)kill(*watcher, SIGKILL);
	while (waitpid(*watcher, NULL, 0) < 0 && errno == EINTR)
		;
	*watcher = 0;
}
