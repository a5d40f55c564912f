/* A container that precreate has prepared: its first program waits, and becomes the saved init. The
 * restore is done from outside, by a process in the background. See hook_precreate.c. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/confine.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "ctckpt/ctckpt.h"
#include "oci/config.h"
#include "oci/hook.h"

struct restoring {
	const struct hook_state *state;
	int image;
	int pidfd;
	int watch;	    /* of the waiting program's file */
	int log;	    /* the container's standard error; -1 */
	struct err failure; /* to open the image: said when the container has started */
};

static void restoring_free(struct restoring *restoring)
{
	drop_fd(&restoring->image);
	drop_fd(&restoring->pidfd);
	drop_fd(&restoring->watch);
	drop_fd(&restoring->log);
}

/* ---- in the background ---- */

/* When it is executed, and once more when it runs, its file is opened. False: the container has
 * ended. */
static bool await_waiter(const struct restoring *restoring)
{
	struct pollfd fds[] = { { .fd = restoring->pidfd, .events = POLLIN },
				{ .fd = restoring->watch, .events = POLLIN } };
	char events[4096];

	while (!hook_is_waiter(restoring->state->pid)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return false;
		if (fds[0].revents)
			return false;
		if (fds[1].revents && read(restoring->watch, events, sizeof(events)) < 0 &&
		    errno != EAGAIN)
			return false;
	}
	return true;
}

static char *read_filter(const char *bundle)
{
	auto_with(filter_free) struct filter filter = FILTER_NONE;
	auto_oci_config struct oci_config *config = NULL;
	struct err err = ERR_NONE;

	if (!bundle || oci_config_read(bundle, &config, &err) < 0 || !config->seccomp ||
	    confine_compile(config->seccomp, strlen(config->seccomp), &filter, &err) < 0)
		return NULL;
	return filter_print(&filter);
}

static void note(void *argument, const char *text)
{
	const struct restoring *restoring = argument;

	hook_log("restore %s: note: %s", restoring->state->annotations.restore, text);
}

/* In the container's own output, where its engine shows it. */
static void say_failure(void *argument, const struct err *err)
{
	const struct restoring *restoring = argument;
	const char *path = restoring->state->annotations.restore;

	(void)dprintf(restoring->log, "ctckpt: restore %s: %s\n", path, err->text);
	if (err->hint[0])
		(void)dprintf(restoring->log, "hint: %s\n", err->hint);
	hook_log("restore %s: %s", path, err->text);
}

static int restore(struct restoring *restoring, struct err *err)
{
	const struct hook_state *state = restoring->state;
	auto_free char *image = mem_printf("/proc/self/fd/%d", restoring->image);
	auto_free char *root = mem_printf("/proc/%d/root", state->pid);
	auto_free char *filter = read_filter(state->bundle);
	struct ctckpt_join join = { .pid = state->pid,
				    .uid = state->annotations.uid,
				    .gids = state->annotations.gids,
				    .gid_count = state->annotations.gid_count,
				    .bundle = state->bundle,
				    .filter = filter,
				    .failed = say_failure,
				    .argument = restoring };
	const struct ctckpt_restore_options options = {
		.join = &join,
		.image = image,
		.policy = "map",
		.name = hook_state_name(state),
		.rootfs = root,
		.detach = true,
		.note = note,
		.note_argument = restoring,
	};
	struct ctckpt_restore_result result;

	memcpy(join.caps, state->annotations.caps, sizeof(join.caps));
	return ctckpt_restore(&options, &result, err);
}

/* What the restore could not do even before it touched the container. */
static _Noreturn void run(struct restoring *restoring)
{
	struct err err;

	if (!await_waiter(restoring))
		_exit(0);
	restoring->log = pidfd_getfd(restoring->pidfd, STDERR_FILENO, 0);
	err = restoring->failure;
	if (err.code == 0 && restore(restoring, &err) == 0)
		_exit(0);
	if (sys_pidfd_send_signal(restoring->pidfd, 0) == 0)
		say_failure(restoring, &err);
	(void)sys_pidfd_send_signal(restoring->pidfd, SIGKILL);
	_exit(1);
}

/* ---- the hook ---- */

/* Below one directory of root's lie images of all: who names one gets that container's memory. */
int hook_check_restore(const struct hook_bounds *bounds, struct err *err)
{
	if (bounds->may_restore)
		return 0;
	(void)err_set(err, ERR_REFUSED,
		      "org.ctckpt.restore is not allowed in containers of root's");
	return err_hint(err, "the hook file may allow it: see option --below in "
			     "ctckpt-oci-hook(1)");
}

static int prepare(struct restoring *restoring, const struct hook_bounds *bounds, struct err *err)
{
	const struct hook_state *state = restoring->state;
	auto_free char *waiter = NULL;
	int r = hook_find_waiter(&waiter, err);

	if (r < 0)
		return r;
	if (state->pid <= 1)
		return err_set(err, ERR_FAILED, "its state names no process");
	restoring->pidfd = sys_pidfd_open(state->pid);
	if (restoring->pidfd < 0)
		return err_set(err, restoring->pidfd, "open process %d", state->pid);
	restoring->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (restoring->watch < 0 || inotify_add_watch(restoring->watch, waiter, IN_OPEN) < 0)
		return err_set(err, -errno, "watch %s", waiter);
	if (hook_check_restore(bounds, &restoring->failure) == 0)
		(void)hook_open_image(state->annotations.restore, bounds->below, &restoring->image,
				      &restoring->failure);
	return 0;
}

int hook_restore(const struct hook_state *state, const struct hook_bounds *bounds, struct err *err)
{
	auto_with(restoring_free) struct restoring restoring = {
		.state = state, .image = -1, .pidfd = -1, .watch = -1, .log = -1
	};
	pid_t child;
	int r = prepare(&restoring, bounds, err);

	/* It would wait for ever. */
	if (r < 0 && restoring.pidfd >= 0)
		(void)sys_pidfd_send_signal(restoring.pidfd, SIGKILL);
	if (r < 0)
		return err_wrap(err, "restore %s", state->annotations.restore);
	child = hook_fork((int *const[]){ &restoring.image, &restoring.pidfd, &restoring.watch }, 3,
			  err);
	if (child == 0)
		run(&restoring);
	return child < 0 ? child : 0;
}
