/* nsfd: descriptors of namespaces: the container's own, those of another task, and two that only a
 * descriptor holds. With the argument "capable", they can be entered afterwards. With "pid" or
 * "uts-held": one that cannot be saved. */
#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "victim.h"

static int open_of(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	return fd;
}

static bool is_of(int fd, pid_t pid, const char *name)
{
	struct stat one;
	struct stat other;
	int again = open_of(pid, name);

	EXPECT(fstat(fd, &one) == 0 && fstat(again, &other) == 0);
	(void)close(again);
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* A child in a namespace of that type. */
static pid_t start_in(int flag)
{
	int ends[2];
	char byte = 1;
	pid_t child;

	EXPECT(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		EXPECT(unshare(flag) == 0);
		if (flag == CLONE_NEWUTS)
			EXPECT(sethostname("elsewhere", 9) == 0);
		EXPECT(write(ends[1], &byte, 1) == 1);
		for (;;)
			(void)pause();
	}
	EXPECT(child > 0 && read(ends[0], &byte, 1) == 1);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return child;
}

static int held(int flag, const char *name)
{
	pid_t child = start_in(flag);
	int fd = open_of(child, name);

	EXPECT(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	return fd;
}

static void be_unsupported(const char *what)
{
	if (strcmp(what, "uts-held") == 0)
		(void)held(CLONE_NEWUTS, "uts");
	else
		EXPECT(unshare(CLONE_NEWPID) == 0 && fork() >= 0 &&
		       open_of(getpid(), "pid_for_children") >= 0);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	static const char *const own_names[] = { "net", "user", "pid", "mnt", "uts", "ipc" };
	bool is_capable = argc > 1 && strcmp(argv[1], "capable") == 0;
	int own[6];
	struct utsname name;
	pid_t other;
	int twice;
	int uts;
	int net;
	int user;

	if (argc > 1 && !is_capable)
		be_unsupported(argv[1]);
	other = start_in(CLONE_NEWUTS);
	for (int i = 0; i < 6; i++)
		own[i] = open_of(getpid(), own_names[i]);
	uts = open_of(other, "uts");
	twice = dup(uts);
	net = held(CLONE_NEWNET, "net");
	user = held(CLONE_NEWUSER, "user");
	EXPECT(is_of(uts, other, "uts") && !is_of(uts, getpid(), "uts"));

	wait_for_restore();

	for (int i = 0; i < 6; i++)
		EXPECT(is_of(own[i], getpid(), own_names[i]));
	EXPECT(is_of(uts, other, "uts") && is_of(twice, other, "uts"));
	EXPECT(!is_of(uts, getpid(), "uts") && !is_of(net, getpid(), "net"));
	EXPECT(!is_of(user, getpid(), "user"));
	if (is_capable) {
		EXPECT(setns(uts, CLONE_NEWUTS) == 0 && uname(&name) == 0);
		EXPECT(strcmp(name.nodename, "elsewhere") == 0);
		EXPECT(setns(net, CLONE_NEWNET) == 0 && is_of(net, getpid(), "net"));
		EXPECT(setns(own[0], CLONE_NEWNET) == 0 && is_of(own[0], getpid(), "net"));
		EXPECT(setns(user, CLONE_NEWUSER) == 0 && is_of(user, getpid(), "user"));
	}
	EXPECT(kill(other, SIGKILL) == 0);
	victim_done();
}
