/* await [-p PID] [-t SECONDS] [FILE...]: waits, without polling, until one of the files exists (0)
 * or the process has ended (1 when there were files to wait for, else 0); 124 when time is up. */
#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static bool any_exists(char **files, int count)
{
	for (int i = 0; i < count; i++)
		if (access(files[i], F_OK) == 0)
			return true;
	return false;
}

static void watch_parents(int notify, char **files, int count)
{
	for (int i = 0; i < count; i++) {
		char *copy = strdup(files[i]);

		if (!copy ||
		    inotify_add_watch(notify, dirname(copy), IN_CREATE | IN_MOVED_TO) < 0) {
			perror(files[i]);
			exit(2);
		}
		free(copy);
	}
}

static int left_ms(const struct timespec *end)
{
	struct timespec now;
	long left = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	left = (end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000;
	return left > 0 ? (int)left : 0;
}

/* The descriptor of a process, or -1 if it is gone. */
static int open_process(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0 && errno != ESRCH) {
		perror("pidfd_open");
		exit(2);
	}
	return fd;
}

static int await(pid_t pid, const struct timespec *end, char **files, int count)
{
	struct pollfd polls[] = { { .fd = inotify_init1(IN_CLOEXEC), .events = POLLIN },
				  { .fd = pid ? open_process(pid) : -1, .events = POLLIN } };
	char events[4096];

	watch_parents(polls[0].fd, files, count);
	for (;;) {
		bool is_gone = pid && (polls[1].fd < 0 || polls[1].revents);

		if (any_exists(files, count))
			return 0;
		if (is_gone)
			return count > 0 ? 1 : 0;
		if (left_ms(end) == 0)
			return 124;
		(void)poll(polls, 2, left_ms(end));
		if (polls[0].revents && read(polls[0].fd, events, sizeof(events)) < 0)
			return 2;
	}
}

int main(int argc, char **argv)
{
	struct timespec end;
	pid_t pid = 0;
	int option = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 100;
	while ((option = getopt(argc, argv, "p:t:")) != -1) {
		if (option == 'p')
			pid = atoi(optarg);
		else if (option == 't')
			end.tv_sec += atoi(optarg) - 100;
		else
			return 2;
	}
	return await(pid, &end, argv + optind, argc - optind);
}
