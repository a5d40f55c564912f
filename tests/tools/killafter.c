/* killafter [-w] MICROSECONDS COMMAND...: SIGKILL for the command after that time; with -w for the
 * processes that it has started, and not for itself. Ends with 0 when the command was killed, with
 * 1 when it ended by itself. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Its children do the work. They are ours to kill as long as it has not reaped them: nearly. */
static void kill_workers(pid_t pid)
{
	char path[64];
	FILE *file;
	int child;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	while (file && fscanf(file, "%d", &child) == 1)
		(void)kill(child, SIGKILL);
	if (file)
		(void)fclose(file);
}

int main(int argc, char **argv)
{
	bool only_workers = argc > 1 && strcmp(argv[1], "-w") == 0;
	long time;
	struct timespec pause;
	int status = 0;
	pid_t pid = 0;

	argc -= only_workers;
	argv += only_workers;
	time = argc > 2 ? atol(argv[1]) : 0;
	pause = (struct timespec){ .tv_sec = time / 1000000, .tv_nsec = time % 1000000 * 1000 };
	if (argc < 3)
		return 2;
	pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	(void)nanosleep(&pause, NULL);
	if (only_workers)
		kill_workers(pid);
	else
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		return 2;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 1;
}
