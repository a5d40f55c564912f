/* killafter MICROSECONDS COMMAND...: SIGKILL for the command after that time. Ends with 0 when the
 * command was killed, with 1 when it had ended before. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long time = argc > 2 ? atol(argv[1]) : 0;
	struct timespec pause = { .tv_sec = time / 1000000, .tv_nsec = time % 1000000 * 1000 };
	int status = 0;
	pid_t pid = 0;

	if (argc < 3)
		return 2;
	pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	(void)nanosleep(&pause, NULL);
	(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 1;
}
