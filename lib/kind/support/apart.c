/* Work done by a process of its own. See apart.h. */
#include "kind/support/apart.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"

/* At the start of the file through which the output comes back. */
struct result {
	int32_t value;
	uint32_t is_whole;
	uint64_t size;
};

__attribute__((noreturn)) static void work_and_exit(int (*work)(void *argument, struct buf *output),
						    void *argument, int fd)
{
	struct buf output = BUF_EMPTY;
	struct result result = { .value = work(argument, &output), .is_whole = 1 };

	result.size = output.size;
	if (sys_write_all(fd, &result, sizeof(result)) < 0 ||
	    sys_write_all(fd, output.data, output.size) < 0)
		_exit(1);
	_exit(0);
}

static int read_all(int fd, char *data, size_t size, off_t from)
{
	while (size > 0) {
		ssize_t n = pread(fd, data, size, from);

		if (n <= 0)
			return -EIO;
		data += n;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Signals of a terminal, such as that of ^C, come to it too. */
static pid_t fork_deaf(void)
{
	sigset_t all;
	sigset_t before;
	pid_t child;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child != 0)
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return child;
}

int run_apart(int (*work)(void *argument, struct buf *output), void *argument, struct buf *output)
{
	auto_close int fd = memfd_create("apart", MFD_CLOEXEC);
	struct result result = { .is_whole = 0 };
	pid_t child;
	int status;

	if (fd < 0)
		return -errno;
	child = fork_deaf();
	if (child < 0)
		return -errno;
	if (child == 0)
		work_and_exit(work, argument, fd);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (status != 0 || read_all(fd, (char *)&result, sizeof(result), 0) < 0 || !result.is_whole)
		return -EIO;
	if (result.size > 0 &&
	    read_all(fd, buf_append(output, NULL, result.size), result.size, sizeof(result)) < 0)
		return -EIO;
	return result.value;
}
