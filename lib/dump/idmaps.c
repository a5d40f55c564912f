/* The id maps of a user namespace. Both the first number of a range and the second are relative to
 * who reads: the container's own namespace, which the dumper has joined. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "dump/dump.h"

/* Waits inside of it until the reader is done: its maps are read from a task in it. */
static _Noreturn void stand_in(int ns, int ready, int done)
{
	char byte = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setns(ns, CLONE_NEWUSER) < 0)
		byte = (char)errno;
	if (write(ready, &byte, 1) == 1)
		(void)!read(done, &byte, 1);
	_exit(0);
}

static int add_map(const char *text, struct buf *body, le32 *ret_count, struct err *err)
{
	uint32_t count = 0;

	for (const char *at = text; *at; count++) {
		uint64_t values[3];
		struct idmap_rec rec;

		for (int i = 0; i < 3; i++) {
			scan_blanks(&at);
			if (!scan_number(&at, 10, UINT32_MAX, &values[i]))
				return err_set(err, ERR_FAILED, "an id map is cut");
		}
		if (!scan_char(&at, '\n'))
			return err_set(err, ERR_FAILED, "an id map is cut");
		rec = (struct idmap_rec){ le32_make((uint32_t)values[0]),
					  le32_make((uint32_t)values[1]),
					  le32_make((uint32_t)values[2]) };
		(void)buf_append(body, &rec, sizeof(rec));
	}
	*ret_count = le32_make(count);
	return 0;
}

static int read_maps(pid_t pid, struct buf *body, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	le32 uids = le32_make(0);
	le32 gids = le32_make(0);
	struct namespace_rec *rec;
	int r = procfs_open_pid(pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "uid_map", &text, err);
	if (r == 0)
		r = add_map(text.data ? text.data : "", body, &uids, err);
	if (r == 0)
		r = procfs_read(proc, "gid_map", &text, err);
	if (r == 0)
		r = add_map(text.data ? text.data : "", body, &gids, err);
	if (r == 0)
		r = procfs_read(proc, "setgroups", &text, err);
	if (r < 0)
		return r;
	rec = (void *)body->data;
	rec->uid_count = uids;
	rec->gid_count = gids;
	if (strncmp(text.data, "deny", 4) == 0)
		rec->flags = le32_make(NAMESPACE_NO_SETGROUPS);
	return 0;
}

int dump_user_maps(const struct dump_namespace *ns, struct buf *body, struct err *err)
{
	int ready[2];
	int done[2];
	char byte = 0;
	pid_t child;
	int r = 0;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	if (pipe2(done, O_CLOEXEC) < 0) {
		(void)close(ready[0]);
		(void)close(ready[1]);
		return err_set(err, -errno, "create a pipe");
	}
	child = fork();
	if (child == 0) {
		(void)close(done[1]);
		stand_in(ns->fd, ready[1], done[0]);
	}
	(void)close(ready[1]);
	(void)close(done[0]);
	if (child < 0)
		r = err_set(err, -errno, "create a process");
	else if (read(ready[0], &byte, 1) != 1 || byte != 0)
		r = err_set(err, byte ? -byte : ERR_FAILED, "enter user namespace %" PRIu64,
			    (uint64_t)ns->ino);
	if (r == 0)
		r = read_maps(child, body, err);
	(void)close(ready[0]);
	(void)close(done[1]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
