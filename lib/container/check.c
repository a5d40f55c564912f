/* ctckpt_check(): runs the probes. See probe.h. */
#include "ctckpt/check.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/probe.h"
#include "core/buf.h"
#include "core/cleanup.h"

#define PROBE_TIME_MS 3000

static _Noreturn void probe_process(const struct probe *probe, int socket, pid_t parent)
{
	struct probe_result result;
	int r;

	memset(&result, 0, sizeof(result));
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	r = probe->run(&result);
	if (r == 0)
		result.err = ERR_NONE;
	(void)send(socket, &result, sizeof(result), MSG_NOSIGNAL);
	_exit(0);
}

/* Waits for the answer, but not for long; what the child was doing ends with it. */
static void listen_to(pid_t pid, int socket, struct probe_result *result)
{
	struct pollfd poll_socket = { .fd = socket, .events = POLLIN };
	int status = 0;
	ssize_t got = 0;
	int ready;

	do {
		ready = poll(&poll_socket, 1, PROBE_TIME_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready > 0)
		got = recv(socket, result, sizeof(*result), 0);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (got == sizeof(*result))
		return;
	if (ready == 0)
		(void)err_set(&result->err, ERR_FAILED, "no answer in %d s", PROBE_TIME_MS / 1000);
	else if (WIFSIGNALED(status))
		(void)err_set(&result->err, ERR_FAILED, "killed by signal %d", WTERMSIG(status));
	else
		(void)err_set(&result->err, ERR_FAILED, "ended without an answer");
}

static int try_probe(const struct probe *probe, struct probe_result *result, struct err *err)
{
	auto_close int ours = -1;
	auto_close int theirs = -1;
	int ends[2];
	pid_t parent = getpid();
	pid_t pid;

	memset(result, 0, sizeof(*result));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(err, -errno, "create a socket");
	ours = ends[0];
	theirs = ends[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork");
	if (pid == 0) {
		drop_fd(&ours);
		probe_process(probe, theirs, parent);
	}
	drop_fd(&theirs);
	listen_to(pid, ours, result);
	return 0;
}

static struct check_item make_item(const struct probe *probe, const struct probe_result *result)
{
	struct check_item item = { .name = probe->name,
				   .is_ok = result->err.code == 0,
				   .is_required = probe->is_required };
	const char *remedy = result->err.hint[0] ? result->err.hint : probe->remedy;

	if (!item.is_ok) {
		item.why = mem_string(result->err.text);
		item.remedy = remedy ? mem_string(remedy) : NULL;
	} else if (result->detail[0]) {
		item.why = mem_string(result->detail);
	}
	return item;
}

void ctckpt_check_item_free(struct check_item *item)
{
	free(item->why);
	free(item->remedy);
	*item = (struct check_item){ .name = NULL };
}

void ctckpt_check_free(struct check_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ctckpt_check_item_free(&items[i]);
	free(items);
}

static const struct probe *const tables[] = { probes_namespaces, probes_process, probes_memory,
					      probes_files, probes_kinds };
enum { TABLE_COUNT = sizeof(tables) / sizeof(tables[0]) };

int ctckpt_check_one(const char *name, struct check_item *ret_item, struct err *err)
{
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		for (const struct probe *probe = tables[i]; probe->name; probe++) {
			struct probe_result result;
			int r = 0;

			if (strcmp(probe->name, name) != 0)
				continue;
			r = try_probe(probe, &result, err);
			if (r == 0)
				*ret_item = make_item(probe, &result);
			return r;
		}
	}
	return err_set(err, ERR_USAGE, "there is no check %s", name);
}

int ctckpt_check(struct check_item **ret_items, size_t *ret_count, struct err *err)
{
	struct check_item *items = NULL;
	size_t count = 0;

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		for (const struct probe *probe = tables[i]; probe->name; probe++) {
			struct probe_result result;
			int r = try_probe(probe, &result, err);

			if (r < 0) {
				ctckpt_check_free(items, count);
				return r;
			}
			array_grow(items, count);
			items[count++] = make_item(probe, &result);
		}
	}
	*ret_items = items;
	*ret_count = count;
	return 0;
}
