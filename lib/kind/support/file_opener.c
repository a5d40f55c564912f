/* A child that opens files with the plan's maps. See file_opener.h. It comes from a fork: what it
 * answers may point to our own constant texts. */
#include "kind/support/file_opener.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/parts.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "kind/support/files.h"

struct file_opener {
	pid_t child;
	int socket;
};

static struct container_spec spec_of(const struct plan *plan)
{
	struct container_spec spec = { .cgroup = -1, .cgroup_v1 = -1 };

	spec.uid_map = plan_uid_map(plan, &spec.uid_map_count);
	spec.gid_map = plan_gid_map(plan, &spec.gid_map_count);
	return spec;
}

/* The path as a message of its own: one that is longer than paths can be is none. */
static bool answer(const struct plan *plan, int socket)
{
	struct file_trial trial;
	char path[FILE_PATH_MAX];
	struct iovec request[2] = { { &trial, sizeof(trial) }, { path, sizeof(path) } };
	ssize_t got = readv(socket, request, 2);
	auto_close int root = -1;

	if (got <= (ssize_t)sizeof(trial) || path[got - (ssize_t)sizeof(trial) - 1] != '\0')
		return false;
	trial.path = path;
	trial.result = file_trial_root(plan, path, &root);
	if (trial.result == 0)
		trial.result = file_trial_open(root, path, &trial);
	return write(socket, &trial, sizeof(trial)) == sizeof(trial);
}

static _Noreturn void serve(const struct plan *plan, int socket)
{
	const struct container_spec spec = spec_of(plan);
	const struct stage stage = { .spec = &spec, .uid = geteuid(), .gid = getegid() };
	struct err ignored = ERR_NONE;
	char byte = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER) < 0 || write(socket, &byte, 1) != 1 ||
	    read(socket, &byte, 1) != 1 || userns_enter_ids(&stage, &ignored) < 0 ||
	    write(socket, &byte, 1) != 1)
		_exit(1);
	while (answer(plan, socket))
		;
	_exit(0);
}

static bool write_maps(const struct plan *plan, const struct file_opener *opener)
{
	const struct container_spec spec = spec_of(plan);
	struct err err = ERR_NONE;
	char byte;

	if (read(opener->socket, &byte, 1) != 1)
		return false;
	if (userns_write_maps(opener->child, &spec, &err) < 0) {
		log_debug("no trial with the plan's maps: %s", err.text);
		return false;
	}
	return write(opener->socket, &byte, 1) == 1 && read(opener->socket, &byte, 1) == 1;
}

/* With one's own id alone, modes count: what was taken away from oneself stays so. */
static bool has_ranges(const struct plan *plan)
{
	size_t count;
	const struct id_map *map = plan_uid_map(plan, &count);

	return !plan_facts(plan)->may_map_all && (count > 1 || (count == 1 && map[0].count > 1));
}

struct file_opener *file_opener_start(const struct plan *plan)
{
	struct file_opener *opener;
	int ends[2];

	if (!has_ranges(plan) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return NULL;
	opener = mem_alloc(1, sizeof(*opener));
	opener->socket = ends[0];
	opener->child = fork();
	if (opener->child == 0) {
		(void)close(ends[0]);
		serve(plan, ends[1]);
	}
	(void)close(ends[1]);
	if (opener->child > 0 && write_maps(plan, opener))
		return opener;
	file_opener_stop(opener);
	return NULL;
}

void file_opener_stop(struct file_opener *opener)
{
	if (!opener)
		return;
	drop_fd(&opener->socket);
	while (opener->child > 0 && waitpid(opener->child, NULL, 0) < 0 && errno == EINTR)
		;
	free(opener);
}

int file_opener_try(struct file_opener *opener, const char *path, struct file_trial *trial)
{
	struct iovec request[2] = { { trial, sizeof(*trial) },
				    { (char *)(uintptr_t)path, strlen(path) + 1 } };
	const char *own_path = trial->path;
	struct file_trial answer;

	if (request[1].iov_len > FILE_PATH_MAX || writev(opener->socket, request, 2) < 0 ||
	    read(opener->socket, &answer, sizeof(answer)) != sizeof(answer))
		return -EACCES;
	*trial = answer;
	trial->path = own_path;
	trial->is_by_maps = trial->result == 0;
	return trial->result;
}
