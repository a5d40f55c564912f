/* What /proc tells of a namespace, it tells of a process that is in it. Where there is none, that
 * is a child of ours, which has no descriptors and waits for its end. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

static _Noreturn void stand(const struct dump_namespace *ns, int socket)
{
	char byte = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(ns->fd, namespace_flag(ns->type)) < 0)
		byte = (char)errno;
	if (dup2(socket, 0) < 0)
		_exit(1);
	(void)syscall(SYS_close_range, 1, ~0u, 0);
	if (write(0, &byte, 1) == 1)
		(void)!read(0, &byte, 1);
	_exit(0);
}

static int await(struct dump_stand_in *one, const char *name, struct err *err)
{
	char byte = 0;

	if (read(one->socket, &byte, 1) != 1 || byte != 0)
		return err_set(err, byte ? -byte : ERR_FAILED, "enter %s", name);
	return procfs_open_pid(one->task.pid, &one->task.proc, err);
}

int dump_send_stand_in(const struct dump_namespace *ns, const char *name,
		       struct dump_stand_in **ret_one, struct err *err)
{
	struct dump_stand_in *one;
	int ends[2];
	pid_t child;
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket pair");
	child = fork();
	if (child == 0) {
		(void)close(ends[0]);
		stand(ns, ends[1]);
	}
	r = -errno;
	(void)close(ends[1]);
	if (child < 0) {
		(void)close(ends[0]);
		return err_set(err, r, "create a process");
	}
	one = mem_alloc(1, sizeof(*one));
	*one = (struct dump_stand_in){ .task = { .pid = child, .pidfd = -1, .proc = -1 },
				       .socket = ends[0] };
	r = await(one, name, err);
	if (r < 0)
		dump_dismiss_stand_in(one);
	else
		*ret_one = one;
	return r;
}

void dump_dismiss_stand_in(struct dump_stand_in *one)
{
	if (!one)
		return;
	/* Other children of ours may still hold a duplicate. */
	(void)shutdown(one->socket, SHUT_RDWR);
	drop_fd(&one->socket);
	drop_fd(&one->task.proc);
	while (waitpid(one->task.pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(one);
}

int dump_send_stand_ins(struct dump *d, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->own->namespace_count; i++) {
		struct dump_namespace *ns = &d->own->namespaces[i];

		if (ns->type == NAMESPACE_NET && ns->id && !ns->task)
			r = dump_send_stand_in(ns, "a network namespace", &ns->stand_in, err);
	}
	return r;
}

const struct dump_task *dump_task_of_network(const struct dump_namespace *ns)
{
	return ns->task || !ns->stand_in ? ns->task : &ns->stand_in->task;
}
