/* Puts options of sockets back. See putback.h. */
#include "kind/support/putback.h"

#include <assert.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

/* Shared with the process that waits. */
struct altered {
	atomic_int count;
	struct {
		int fd;
		int level;
		int option;
		int value;
	} options[PUTBACK_MAX];
};

struct putback {
	struct altered *altered;
	pid_t child;
	int self; /* a pidfd of ours, which the child looks at */
};

static _Noreturn void wait_and_put_back(const struct altered *altered, int parent)
{
	struct pollfd end = { .fd = parent, .events = POLLIN };

	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	for (int i = 0; end.revents & POLLIN && i < atomic_load(&altered->count); i++)
		(void)setsockopt(altered->options[i].fd, altered->options[i].level,
				 altered->options[i].option, &altered->options[i].value,
				 sizeof(altered->options[i].value));
	_exit(0);
}

int putback_begin(struct putback **ret_putback, struct err *err)
{
	auto_close int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct altered *altered =
	    mmap(NULL, sizeof(*altered), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct putback *putback;
	pid_t child;

	if (self < 0 || altered == MAP_FAILED)
		return err_set(err, -errno, "prepare to put options back");
	child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		wait_and_put_back(altered, self);
	if (child < 0) {
		int r = -errno;

		(void)munmap(altered, sizeof(*altered));
		return err_set(err, r, "create a process");
	}
	putback = mem_alloc(1, sizeof(*putback));
	*putback = (struct putback){ .altered = altered, .child = child, .self = take_fd(&self) };
	*ret_putback = putback;
	return 0;
}

void putback_end(struct putback *putback)
{
	if (!putback)
		return;
	(void)kill(putback->child, SIGKILL);
	while (waitpid(putback->child, NULL, 0) < 0 && errno == EINTR)
		;
	(void)close(putback->self);
	(void)munmap(putback->altered, sizeof(*putback->altered));
	free(putback);
}

void putback_set(struct putback *putback, int fd, int level, int option, int value)
{
	struct altered *altered = putback->altered;
	int count = atomic_load(&altered->count);

	assert(count < PUTBACK_MAX);
	altered->options[count].fd = fd;
	altered->options[count].level = level;
	altered->options[count].option = option;
	altered->options[count].value = value;
	atomic_store(&altered->count, count + 1);
}

void putback_done(struct putback *putback)
{
	atomic_store(&putback->altered->count, 0);
}
