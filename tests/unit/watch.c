/* A restore that hangs ends with its command. */
#include "restore/watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

struct restoring {
	int lifeline[2];
	pid_t init;
	int pidfd;
	pid_t watcher;
};

static bool begin(struct unit *unit, struct restoring *restoring)
{
	struct err err = ERR_NONE;

	*restoring = (struct restoring){ .watcher = 0 };
	if (!EXPECT(unit, pipe(restoring->lifeline) == 0))
		return false;
	restoring->init = fork();
	if (restoring->init == 0) {
		(void)close(restoring->lifeline[1]);
		for (;;)
			(void)pause();
	}
	restoring->pidfd = (int)syscall(SYS_pidfd_open, restoring->init, 0);
	return EXPECT(unit, restoring->pidfd >= 0) &&
	       EXPECT(unit, restore_watch_begin(restoring->lifeline[0], restoring->pidfd,
						&restoring->watcher, &err) == 0);
}

static int end(struct restoring *restoring)
{
	int status = 0;

	restore_watch_end(&restoring->watcher);
	(void)kill(restoring->init, SIGTERM);
	(void)waitpid(restoring->init, &status, 0);
	(void)close(restoring->lifeline[0]);
	(void)close(restoring->lifeline[1]);
	(void)close(restoring->pidfd);
	return status;
}

static void killed_with_the_command(struct unit *unit)
{
	struct restoring restoring;
	struct pollfd ended;

	if (!begin(unit, &restoring))
		return;
	(void)close(restoring.lifeline[1]);
	restoring.lifeline[1] = -1;
	ended = (struct pollfd){ .fd = restoring.pidfd, .events = POLLIN };
	EXPECT(unit, poll(&ended, 1, 60000) == 1);
	EXPECT(unit, WTERMSIG(end(&restoring)) == SIGKILL);
}

static void left_alone(struct unit *unit)
{
	struct restoring restoring;

	if (!begin(unit, &restoring))
		return;
	EXPECT(unit, waitpid(restoring.watcher, NULL, WNOHANG) == 0);
	EXPECT(unit, WTERMSIG(end(&restoring)) == SIGTERM);
	EXPECT(unit, restoring.watcher == 0);
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(killed_with_the_command),
						  UNIT_CASE(left_alone) };

	return UNIT_RUN(cases);
}
