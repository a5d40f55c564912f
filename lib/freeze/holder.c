/* The holder process. See holder.h. */
#include "freeze/holder.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/worker.h"
#include "freeze/packet.h"
#include "freeze/tasks.h"

#define CLIENT_PATIENCE_S 5 /* for sending its request and taking its reply */

struct holder {
	const struct target *target;
	holder_serve_fn *serve;
	char *path; /* of the socket, owned; NULL: not made yet */
	int listener;
	int signals;
	struct freeze freeze;
};

static void holder_free(struct holder *holder)
{
	if (holder->path)
		(void)unlink(holder->path);
	free(holder->path);
	holder->path = NULL;
	freeze_free(&holder->freeze);
	drop_fd(&holder->listener);
	drop_fd(&holder->signals);
}

uint32_t freeze_count_tasks(const struct freeze *freeze)
{
	uint32_t count = 0;

	for (size_t i = 0; i < freeze->thread_count; i++)
		count += i == 0 || freeze->threads[i].pid != freeze->threads[i - 1].pid;
	return count;
}

static struct holder_status status_of(const struct freeze *freeze)
{
	return (struct holder_status){
		.tasks = freeze_count_tasks(freeze),
		.threads = (uint32_t)freeze->thread_count,
		.freezing_time = freeze->freezing_time,
	};
}

static int socket_path(const struct target *target, char **ret_path, struct err *err)
{
	auto_free char *name = target_socket_name(target);

	return registry_socket_path(name, ret_path, err);
}

/* ---- in the holder ---- */

/* All tasks are ours by now, so a socket that is there belonged to a holder that is dead. */
static int listen_at(struct holder *holder, char *path, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	auto_close int dir = -1;
	struct sockaddr_un address;
	mode_t mask;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "make a socket");
	r = packet_address(path, &address, &dir, err);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(err, -errno, "remove %s", path);
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return err_set(err, r, "bind %s", path);
	holder->path = mem_string(path);
	if (listen(fd, 16) < 0)
		return err_set(err, -errno, "listen at %s", path);
	holder->listener = take_fd(&fd);
	return 0;
}

static int compare_ints(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

/* Keeps no terminal, pipe or file of whoever called: they would never see its end. */
static void leave_caller(const struct holder *holder)
{
	int keep[] = { holder->listener, holder->signals, holder->target->pidfd,
		       holder->target->cgroup };
	size_t count = sizeof(keep) / sizeof(keep[0]);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int from = STDERR_FILENO + 1;

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)setsid();
	(void)!chdir("/");
	qsort(keep, count, sizeof(keep[0]), compare_ints);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			(void)close_range(from, (unsigned int)keep[i] - 1, 0);
		from = (unsigned int)keep[i] + 1;
	}
	(void)close_range(from, UINT_MAX, 0);
}

static void forget_thread(struct freeze *freeze, pid_t tid)
{
	size_t kept = 0;

	for (size_t i = 0; i < freeze->thread_count; i++) {
		if (freeze->threads[i].tid != tid)
			freeze->threads[kept++] = freeze->threads[i];
	}
	freeze->thread_count = kept;
}

/* A held task can still be killed, and nobody else can reap it. */
static void reap_dead(struct holder *holder)
{
	struct signalfd_siginfo info;
	int status;
	pid_t tid;

	(void)!read(holder->signals, &info, sizeof(info));
	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (!WIFSTOPPED(status))
			forget_thread(&holder->freeze, tid);
	}
}

static int handle(struct holder *holder, uint32_t verb, const struct buf *request, const int *fds,
		  size_t fd_count, struct buf *reply, struct err *err)
{
	struct holder_status status;
	int r;

	switch (verb) {
	case HOLDER_STATUS:
		r = freeze_rescan(&holder->freeze, err);
		status = status_of(&holder->freeze);
		(void)buf_append(reply, &status, sizeof(status));
		return r;
	case HOLDER_THAW:
		status = status_of(&holder->freeze);
		(void)buf_append(reply, &status, sizeof(status));
		return freeze_release(&holder->freeze, true, err);
	case HOLDER_RUN:
		if (holder->serve)
			return holder->serve(&holder->freeze, request->data, request->size, fds,
					     fd_count, reply, err);
		break;
	default:
		break;
	}
	return err_set(err, -EOPNOTSUPP, "request %u to the holder", verb);
}

static void set_patience(int client)
{
	struct timeval time = { .tv_sec = CLIENT_PATIENCE_S };

	(void)setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	(void)setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

/* Whatever is wrong with a client is the client's affair. */
static void serve_client(struct holder *holder)
{
	auto_close int client = accept4(holder->listener, NULL, NULL, SOCK_CLOEXEC);
	auto_buf struct buf request = BUF_EMPTY;
	auto_buf struct buf reply = BUF_EMPTY;
	struct err err = ERR_NONE;
	struct err unsent = ERR_NONE;
	int fds[HOLDER_FDS_MAX];
	size_t fd_count = 0;
	uint32_t verb = 0;
	int r;

	if (client < 0 || packet_check_peer(client, &err) < 0)
		return;
	set_patience(client);
	r = packet_receive_request(client, &verb, &request, fds, &fd_count, &err);
	if (r == 0)
		r = handle(holder, verb, &request, fds, fd_count, &reply, &err);
	for (size_t i = 0; i < fd_count; i++)
		(void)close(fds[i]);
	/* Whoever hears of the end finds no holder any more. */
	if (!holder->freeze.target && holder->path)
		(void)unlink(holder->path);
	(void)packet_send_reply(client, r, &err, &reply, &unsent);
}

static void hold(struct holder *holder)
{
	struct pollfd fds[] = {
		{ .fd = holder->listener, .events = POLLIN },
		{ .fd = holder->signals, .events = POLLIN },
		{ .fd = holder->target->pidfd, .events = POLLIN },
	};

	while (holder->freeze.target && holder->freeze.thread_count > 0) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[1].revents)
			reap_dead(holder);
		if (fds[2].revents)
			break;
		if (fds[0].revents)
			serve_client(holder);
	}
}

static int open_signals(int *ret_fd, struct err *err)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, -errno, "make a signalfd");
	*ret_fd = fd;
	return 0;
}

struct holder_job {
	const struct target *target;
	holder_serve_fn *serve;
	char *path;
};

/* Listens, tells the worker's parent, and holds until the end. */
static int keep(struct worker *worker, struct holder *holder, char *path, struct err *err)
{
	int r = listen_at(holder, path, err);

	if (r == 0 && worker_is_cancelled(worker))
		r = err_set(err, ERR_FAILED, "cancelled");
	if (r < 0)
		return r;
	worker_report(worker, NULL);
	leave_caller(holder);
	hold(holder);
	return 0;
}

static int holder_work(struct worker *worker, void *argument, void *result, struct err *err)
{
	const struct holder_job *job = argument;
	struct holder_status *status = result;
	__attribute__((cleanup(holder_free))) struct holder holder = {
		.target = job->target,
		.serve = job->serve,
		.listener = -1,
		.signals = -1,
	};
	int r = open_signals(&holder.signals, err);

	if (r == 0)
		r = freeze_seize(job->target, &holder.freeze, err);
	if (r < 0)
		return r;
	*status = status_of(&holder.freeze);
	return keep(worker, &holder, job->path, err);
}

int holder_keep(struct worker *worker, struct freeze *freeze, holder_serve_fn *serve,
		struct err *err)
{
	auto_free char *path = NULL;
	__attribute__((cleanup(holder_free))) struct holder holder = {
		.target = freeze->target,
		.serve = serve,
		.freeze = *freeze,
		.listener = -1,
		.signals = -1,
	};
	int r;

	*freeze = FREEZE_NONE;
	r = open_signals(&holder.signals, err);
	if (r == 0)
		r = socket_path(holder.target, &path, err);
	return r < 0 ? r : keep(worker, &holder, path, err);
}

/* ---- its clients ---- */

int holder_start(const struct target *target, holder_serve_fn *serve,
		 struct holder_status *ret_status, struct err *err)
{
	struct holder_job job = { .target = target, .serve = serve };
	struct holder_status status = { 0 };
	const struct worker_job work = {
		.work = holder_work,
		.argument = &job,
		.result = &status,
		.result_size = sizeof(status),
	};
	int r = socket_path(target, &job.path, err);

	if (r == 0)
		r = worker_run(&work, err);
	free(job.path);
	if (r == 0)
		*ret_status = status;
	return r;
}

int holder_connect(const struct target *target, int *ret_fd, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	auto_close int dir = -1;
	auto_free char *path = NULL;
	struct sockaddr_un address;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "make a socket");
	r = socket_path(target, &path, err);
	if (r == 0)
		r = packet_address(path, &address, &dir, err);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return -ENOENT;
		return err_set(err, -errno, "connect to %s", path);
	}
	r = packet_check_peer(fd, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

int holder_request(int fd, enum holder_verb verb, const void *request, size_t size, const int *fds,
		   size_t fd_count, struct buf *reply, struct err *err)
{
	int r = packet_send_request(fd, verb, request, size, fds, fd_count, err);

	return r < 0 ? r : packet_receive_reply(fd, reply, err);
}
