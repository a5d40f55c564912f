/* Where the cgroup namespace of a task begins. The one that it gets after a restore begins where
 * the container's own does; one that began elsewhere cannot come back. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/net.h"

struct views {
	int own, theirs; /* cgroup namespaces */
	int proc;	 /* of the task */
};

static int look(int namespace, int proc, struct buf *text, struct err *err)
{
	if (setns(namespace, CLONE_NEWCGROUP) < 0)
		return err_set(err, -errno, "enter a cgroup namespace");
	return procfs_read(proc, "cgroup", text, err);
}

/* One process, seen from both: paths are relative to where a namespace begins. */
static int compare_in_child(void *argument, struct buf *answer, struct err *err)
{
	const struct views *views = argument;
	auto_buf struct buf own = BUF_EMPTY;
	auto_buf struct buf theirs = BUF_EMPTY;
	int r = look(views->own, views->proc, &own, err);

	if (r == 0)
		r = look(views->theirs, views->proc, &theirs, err);
	if (r == 0 && own.size == theirs.size && memcmp(own.data, theirs.data, own.size) == 0)
		(void)buf_append(answer, "=", 1);
	return r;
}

int dump_check_cgroup_root(struct dump *d, struct err *err)
{
	const struct dump_task *first = dump_own_task(d, NAMESPACE_CGROUP);
	auto_buf struct buf answer = BUF_EMPTY;
	auto_close int own = first ? openat(first->proc, "ns/cgroup", O_RDONLY | O_CLOEXEC) : -1;
	auto_close int theirs = openat(d->task->proc, "ns/cgroup", O_RDONLY | O_CLOEXEC);
	struct views views = { .own = own, .theirs = theirs, .proc = d->task->proc };
	struct err ignored;

	if (!first)
		return dump_block(d, NULL, "nobody is in the container's own cgroup namespace");
	if (own < 0 || theirs < 0)
		return err_set(err, -errno, "open a cgroup namespace");
	if (net_child(-1, compare_in_child, &views, &answer, &ignored) == 0 && answer.size == 1)
		return 0;
	return dump_block(d, NULL,
			  "its cgroup namespace does not begin where the container's own does");
}
