/* A small container for tests: a first task that has a child, in a pid namespace of its own. */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct test_container {
	pid_t init; /* a child of the test; 0: this host does not let us */
	pid_t child;
};

static inline _Noreturn void test_container_main(int ready)
{
	pid_t child;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "first) R\n");
	child = fork();
	if (child == 0)
		(void)!write(ready, "r", 1);
	(void)close(ready);
	for (;;)
		(void)pause();
}

/* The one child of a process; 0 if it has none. */
static inline pid_t test_child_of(pid_t pid)
{
	char path[64], text[32] = "";
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	(void)close(fd);
	return atoi(text);
}

static inline struct test_container test_container_start(void)
{
	struct test_container container = { .init = 0 };
	int ready[2];
	char byte;
	long pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return container;
	pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		test_container_main(ready[1]);
	(void)close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1)
		container.init = (pid_t)pid;
	(void)close(ready[0]);
	if (container.init > 0)
		container.child = test_child_of(container.init);
	return container;
}

static inline void test_container_stop(struct test_container *container)
{
	if (container->init > 0) {
		(void)kill(container->init, SIGKILL);
		(void)waitpid(container->init, NULL, 0);
	}
	container->init = 0;
}
