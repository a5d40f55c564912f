/* Hooks. See hooks.h. */
#include "oci/hooks.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/sys.h"

struct json *oci_status_json(const struct oci_status *status)
{
	struct json *object = json_new_object();
	struct json *annotations = json_new_object();

	json_put_string(object, "ociVersion", status->version);
	json_put_string(object, "id", status->id);
	json_put_string(object, "status", status->status);
	json_put_i64(object, "pid", status->pid);
	json_put_string(object, "bundle", status->bundle);
	for (size_t i = 0; i < status->annotations->count; i++)
		json_put_string(annotations, status->annotations->list[i].key,
				status->annotations->list[i].value);
	if (status->annotations->count > 0)
		json_put(object, "annotations", annotations);
	else
		json_free(annotations);
	return object;
}

/* ---- the child ---- */

struct hooking {
	const struct oci_hook *hook;
	const char *dir;
	const struct hook_bounds *bounds;
	int input;
	int output;
};

static void reset_signals(void)
{
	sigset_t none;

	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int take_bounds(const struct hook_bounds *bounds, struct err *err)
{
	int r = 0;

	for (int cap = 0; cap < 64; cap++) {
		if (!(bounds->caps >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	if (bounds->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(err, -errno, "set no_new_privs");
	for (size_t i = 0; r == 0 && i < 2; i++) {
		if (bounds->filters[i] && bounds->filters[i]->code)
			r = filter_install(bounds->filters[i], err);
	}
	return r;
}

static _Noreturn void be_hook(const struct hooking *hooking)
{
	const struct oci_hook *hook = hooking->hook;
	char *const none[] = { NULL };
	char *const usual[] = { hook->path, NULL };
	struct err err = ERR_NONE;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	if ((hooking->dir && chdir(hooking->dir) < 0) || dup2(hooking->input, STDIN_FILENO) < 0 ||
	    dup2(hooking->output, STDOUT_FILENO) < 0 || dup2(hooking->output, STDERR_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(127);
	if (hooking->bounds && take_bounds(hooking->bounds, &err) < 0) {
		(void)dprintf(STDERR_FILENO, "%s", err.text);
		_exit(127);
	}
	(void)execve(hook->path, hook->args.count ? hook->args.list : usual,
		     hook->env.count ? hook->env.list : none);
	(void)dprintf(STDERR_FILENO, "%s", strerror(errno));
	_exit(127);
}

/* ---- its parent ---- */

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status;
}

/* Returns its wait status; -ETIMEDOUT. */
static int await(pid_t pid, int pidfd, uint32_t timeout)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int ready;

	do {
		ready = poll(&end, 1, timeout ? (int)timeout * 1000 : -1);
	} while (ready < 0 && errno == EINTR);
	if (ready != 0)
		return reap(pid);
	(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	(void)reap(pid);
	return -ETIMEDOUT;
}

/* The end of what it said. Owned. */
static char *last_words(int output)
{
	char bytes[512];
	off_t size = lseek(output, 0, SEEK_END);
	off_t from = size > (off_t)sizeof(bytes) ? size - (off_t)sizeof(bytes) : 0;
	ssize_t n = pread(output, bytes, sizeof(bytes), from);

	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\0'))
		n--;
	return n > 0 ? mem_printf(": %.*s", (int)n, bytes) : mem_string("");
}

static int judge(const struct hooking *hooking, enum oci_stage stage, int status, struct err *err)
{
	auto_free char *words = last_words(hooking->output);
	auto_free char *hook = mem_printf("%s hook %s", oci_stage_name(stage), hooking->hook->path);

	if (status == 0)
		return 0;
	if (status == -ETIMEDOUT)
		return err_set(err, ERR_FAILED, "%s: not done after %u seconds%s", hook,
			       hooking->hook->timeout, words);
	if (status < 0)
		return err_set(err, status, "%s: wait for it", hook);
	if (WIFSIGNALED(status))
		return err_set(err, ERR_FAILED, "%s: killed by signal %d%s", hook, WTERMSIG(status),
			       words);
	return err_set(err, ERR_FAILED, "%s: exit status %d%s", hook, WEXITSTATUS(status), words);
}

/* Not fork(2): whoever traces us would have to let it go. */
static int run(const struct hooking *hooking, enum oci_stage stage, struct err *err)
{
	auto_close int pidfd = -1;
	int ret_pidfd = -1;
	pid_t pid =
	    (pid_t)syscall(SYS_clone, CLONE_UNTRACED | CLONE_PIDFD | SIGCHLD, 0, &ret_pidfd, 0, 0);

	if (pid == 0)
		be_hook(hooking);
	if (pid < 0)
		return err_set(err, -errno, "start a hook");
	pidfd = ret_pidfd;
	return judge(hooking, stage, await(pid, pidfd, hooking->hook->timeout), err);
}

static int write_input(const struct oci_status *status, int fd, struct err *err)
{
	auto_json struct json *object = oci_status_json(status);
	auto_free char *text = json_print(object, false);
	size_t length = strlen(text);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "tell a hook about the container");
	return 0;
}

int hooks_run(const struct oci_hooks *hooks, enum oci_stage stage, const struct oci_status *status,
	      const char *dir, const struct hook_bounds *bounds, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < hooks->count; i++) {
		auto_close int input = memfd_create("state", MFD_CLOEXEC);
		auto_close int output = memfd_create("output", MFD_CLOEXEC);
		const struct hooking hooking = { &hooks->list[i], dir, bounds, input, output };

		r = output < 0 ? err_set(err, -errno, "create a file in memory")
			       : write_input(status, input, err);
		if (r == 0)
			r = run(&hooking, stage, err);
	}
	return r;
}
