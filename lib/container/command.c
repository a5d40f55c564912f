/* A command as first task: what it inherits, and what its parent does meanwhile. */
#include "container/command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/confine.h"
#include "core/procfs.h"
#include "core/sys.h"

static int open_profile(const char *path, struct filter *ret_filter, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(AT_FDCWD, path, &text, err);

	if (r == 0)
		r = confine_compile(text.data ? text.data : "", text.size, ret_filter, err);
	return r < 0 ? err_wrap(err, "seccomp profile %s", path) : 0;
}

/* It may lie where an earlier container could write: no link of that one's leads elsewhere, and
 * none of its FIFOs keeps us. */
static int open_log(const char *path, int *ret_fd, struct err *err)
{
	auto_close int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);

	if (fd < 0) {
		(void)err_set(err, -errno, "open %s", path);
		return err->code == -ELOOP ? err_hint(err, "a log is not written through a link")
					   : err->code;
	}
	if (fcntl(fd, F_SETFL, O_APPEND) < 0)
		return err_set(err, -errno, "open %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int command_open(struct command *command, const struct ctckpt_run_options *options, struct err *err)
{
	const char *log = options->log ? options->log : "/dev/null";

	command->argv = options->command;
	if (options->seccomp && open_profile(options->seccomp, &command->filter, err) < 0)
		return err->code;
	command->has_terminal = options->tty;
	command->size = console_size();
	if (options->tty &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, command->terminal) < 0)
		return err_set(err, -errno, "create a socket");
	if (options->tty || !options->detach)
		return 0;
	command->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (command->input < 0)
		return err_set(err, -errno, "open /dev/null");
	return open_log(log, &command->output, err);
}

void command_free(struct command *command)
{
	drop_fd(&command->input);
	drop_fd(&command->output);
	filter_free(&command->filter);
	drop_fd(&command->terminal[0]);
	drop_fd(&command->terminal[1]);
}

int command_take_terminal(struct command *command)
{
	drop_fd(&command->terminal[1]);
	return console_receive(command->terminal[0]);
}

/* posix_spawn(3) leaves the two signals that libc has for itself ignored, and signal(2) refuses
 * them. */
static void reset_signals(void)
{
	const struct {
		uint64_t handler, flags, restorer, mask;
	} action = { .handler = 0 };
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)syscall(SYS_rt_sigaction, number, &action, NULL, sizeof(action.mask));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int place_terminal(const struct command *command, struct err *err)
{
	auto_close int master = -1;
	auto_close int slave = -1;
	int r = console_create(&command->size, &master, &slave, err);

	if (r == 0)
		r = console_send(command->terminal[1], master, err);
	for (int n = STDIN_FILENO; r == 0 && n <= STDERR_FILENO; n++) {
		if (dup2(slave, n) < 0)
			r = err_set(err, -errno, "redirect descriptor %d", n);
	}
	return r;
}

static int place_descriptors(const struct command *command, struct err *err)
{
	if (command->input >= 0 && dup2(command->input, STDIN_FILENO) < 0)
		return err_set(err, -errno, "redirect stdin");
	if (command->output >= 0 &&
	    (dup2(command->output, STDOUT_FILENO) < 0 || dup2(command->output, STDERR_FILENO) < 0))
		return err_set(err, -errno, "redirect stdout and stderr");
	/* At exec, not now: the socket by which we report is among them. */
	if (close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, -errno, "close descriptors");
	return 0;
}

int command_main(void *argument, struct err *err)
{
	const struct command *command = argument;
	int r = command->has_terminal ? place_terminal(command, err) : 0;

	if (r == 0)
		r = place_descriptors(command, err);
	if (r < 0)
		return r;
	reset_signals();
	if (command->filter.code) {
		r = filter_install(&command->filter, err);
		if (r < 0)
			return r;
	}
	(void)execvp(command->argv[0], command->argv);
	return err_set(err, ERR_FAILED, "run %s: %s", command->argv[0], strerror(errno));
}

/* ---- meanwhile ---- */

/* A blocked signal arrives at a signalfd even if it is ignored; so those are left out. */
static void add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction action;

	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		(void)sigaddset(set, number);
}

static void list_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	add_unless_ignored(set, SIGINT);
	add_unless_ignored(set, SIGTERM);
	add_unless_ignored(set, SIGHUP);
}

int forward_begin(struct forward *forward, struct err *err)
{
	sigset_t set;

	list_signals(&set);
	forward->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (forward->signals < 0)
		return err_set(err, -errno, "create a signalfd");
	(void)sigprocmask(SIG_BLOCK, &set, &forward->saved);
	return 0;
}

void forward_console(struct forward *forward, struct console *console)
{
	sigset_t set;

	list_signals(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGCONT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signalfd(forward->signals, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	forward->console = console;
	console_begin(console);
}

void forward_free(struct forward *forward)
{
	if (forward->signals < 0)
		return;
	drop_fd(&forward->signals);
	(void)sigprocmask(SIG_SETMASK, &forward->saved, NULL);
}

/* The kernel keeps signals from pid 1 that it has no handler for, though another process would die
 * of them. Ctrl-C must end such a command, too. */
static bool would_be_lost(pid_t init, int number)
{
	struct err err = ERR_NONE;
	struct procfs_status status;
	bool is_lost;

	/* Our child and not reaped: the pid is still its own. */
	if (procfs_status_read(init, &status, &err) < 0)
		return false;
	is_lost =
	    !((status.sig_caught | status.sig_ignored | status.sig_blocked) >> (number - 1) & 1);
	procfs_status_free(&status);
	return is_lost;
}

static void forward_one(const struct forward *forward, const struct container *container)
{
	struct signalfd_siginfo info;
	int number;

	if (read(forward->signals, &info, sizeof(info)) != sizeof(info))
		return;
	number = (int)info.ssi_signo;
	if (number == SIGWINCH || number == SIGCONT) {
		console_resume(forward->console);
		return;
	}
	if (would_be_lost(container->init, number))
		number = SIGKILL;
	(void)sys_pidfd_send_signal(container->pidfd, number);
}

int forward_wait(struct forward *forward, struct container *container, int *ret_status,
		 struct err *err)
{
	struct pollfd polls[2 + CONSOLE_POLLS] = {
		{ .fd = container->pidfd, .events = POLLIN },
		{ .fd = forward->signals, .events = POLLIN },
	};
	nfds_t count = forward->console ? 2 + CONSOLE_POLLS : 2;

	while (polls[0].revents == 0) {
		if (forward->console)
			console_poll(forward->console, polls + 2);
		if (poll(polls, count, -1) < 0) {
			if (errno != EINTR)
				return err_set(err, -errno, "wait for the container");
			continue;
		}
		if (polls[1].revents)
			forward_one(forward, container);
		if (forward->console)
			console_carry(forward->console, polls + 2);
	}
	while (waitpid(container->init, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "wait for the container");
	return 0;
}
