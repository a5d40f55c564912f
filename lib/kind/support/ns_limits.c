/* Limits of namespaces. See ns_limits.h. The kernel shows those of whoever opens the file: a child
 * enters the namespace to look. */
#include "kind/support/ns_limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "dump/dump.h"

enum {
	INITIAL_USER_NS = 0xeffffffd, /* PROC_USER_INIT_INO: its limits are the host's */
	NAME_SIZE = NAME_MAX + 8,
};

/* What a child has to say: the name of a limit, or nothing. */
struct finding {
	int error; /* errno; the namespace could not be entered */
	char name[NAME_SIZE];
};

/* -1: it cannot be told. */
static long read_number(int dir, const char *name)
{
	auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

/* A new user namespace has INT_MAX for all that it counts. */
static void find_user_limit(struct finding *finding)
{
	DIR *dir = opendir("/proc/sys/user");
	const struct dirent *entry;

	while (dir && !*finding->name && (entry = readdir(dir))) {
		long value =
		    entry->d_name[0] == '.' ? INT_MAX : read_number(dirfd(dir), entry->d_name);

		if (value >= 0 && value != INT_MAX)
			(void)snprintf(finding->name, NAME_SIZE, "user.%s", entry->d_name);
	}
	if (dir)
		(void)closedir(dir);
}

/* Of each pid namespace since 6.14; before, there is one for all. */
static void find_pid_limit(long of_ours, struct finding *finding)
{
	long value = read_number(AT_FDCWD, "/proc/sys/kernel/pid_max");

	if (value > 0 && value < of_ours)
		(void)snprintf(finding->name, NAME_SIZE, "kernel.pid_max");
}

static void await(pid_t child)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static int fork_into(int ns, struct finding *finding)
{
	long of_ours = read_number(AT_FDCWD, "/proc/sys/kernel/pid_max");
	pid_t child;

	if (setns(ns, CLONE_NEWPID) < 0)
		return errno;
	child = fork();
	if (child == 0) {
		find_pid_limit(of_ours, finding);
		_exit(0);
	}
	/* All of its pids are in use: that is a limit. */
	if (child < 0)
		(void)snprintf(finding->name, NAME_SIZE, "kernel.pid_max");
	else
		await(child);
	return 0;
}

static void look(const struct dump_namespace *ns, int fd, struct finding *finding)
{
	if (ns->type == NAMESPACE_PID) {
		finding->error = fork_into(fd, finding);
		return;
	}
	if (fd >= 0 && setns(fd, CLONE_NEWUSER) < 0)
		finding->error = errno;
	else
		find_user_limit(finding);
}

/* In there, it is in reach of whoever may trace in it: it may not be looked at. */
static int look_in_child(const struct dump_namespace *ns, int fd, struct finding *ret_finding,
			 struct err *err)
{
	struct finding *finding =
	    mmap(NULL, sizeof(*finding), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	if (finding == MAP_FAILED)
		return err_set(err, -errno, "map %zu bytes", sizeof(*finding));
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_DUMPABLE, 0);
		look(ns, fd, finding);
		_exit(0);
	}
	if (child > 0)
		await(child);
	else
		(void)err_set(err, -errno, "start a process to look at limits of a namespace");
	*ret_finding = *finding;
	(void)munmap(finding, sizeof(*finding));
	return child > 0 ? 0 : err->code;
}

static bool are_we_in(const struct dump_namespace *ns)
{
	struct stat stat;

	return fstatat(AT_FDCWD, "/proc/self/ns/user", &stat, 0) == 0 && stat.st_ino == ns->ino &&
	       stat.st_dev == ns->dev;
}

/* The container's own: what it shares with the host is the host's. We have joined the user
 * namespace, if it is ours to join. */
static int open_own(const struct dump *d, const struct dump_namespace *ns, int *ret_fd)
{
	if (d->own->target->form != TARGET_CONTAINER)
		return -ENOENT;
	if (ns->type == NAMESPACE_USER)
		return ns->ino != INITIAL_USER_NS && are_we_in(ns) ? 0 : -ENOENT;
	*ret_fd = openat(d->own->tasks[0].proc, "ns/pid", O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

int ns_limits_dump(struct dump *d, const struct dump_namespace *ns, struct err *err)
{
	struct finding finding = { .error = 0 };
	auto_close int own = -1;
	int r;

	if (ns->type != NAMESPACE_USER && ns->type != NAMESPACE_PID)
		return 0;
	if (ns->id == 0 && open_own(d, ns, &own) < 0)
		return 0;
	r = look_in_child(ns, ns->id ? ns->fd : own, &finding, err);
	if (r < 0)
		return r;
	if (finding.error)
		log_debug("a %s namespace is not ours to enter: %s", namespace_name(ns->type),
			  strerror(finding.error));
	if (!*finding.name)
		return 0;
	return dump_block(d, "take it back, if nothing needs it",
			  "limit %s of a %s namespace is not supported", finding.name,
			  namespace_name(ns->type));
}
