/* Work in a child process that outlives its parent. See worker.h.
 *
 * Two channels: a pipe whose write end only the parent has, so that its end of file means that
 * the parent is gone; and a socket for messages and the result. That the worker is gone is seen
 * by its pidfd: its own children may hold the socket. */
#include "core/worker.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"

enum { MESSAGE_MAX = 64 << 10, LOOK_MS = 1000 };

enum packet_form {
	PACKET_TOLD,
	PACKET_RESULT, /* the worker is about to exit */
	PACKET_REPORT, /* it goes on alone */
	PACKET_WATCH,  /* the code: is it to be watched? */
};

/* A packet is this; for a result a struct err; then the message or the result struct. */
struct packet_header {
	uint32_t form;
	int32_t code;
};

struct worker {
	const struct worker_job *job;
	int lifeline; /* -1: reported, nobody to watch */
	int channel;
	bool is_cancelled;
};

/* ---- in the worker ---- */

int worker_lifeline(const struct worker *worker)
{
	return worker->lifeline;
}

bool worker_is_cancelled(struct worker *worker)
{
	struct pollfd fd = { .fd = worker->lifeline, .events = POLLIN };

	if (!worker->is_cancelled && worker->lifeline >= 0)
		worker->is_cancelled = poll(&fd, 1, 0) > 0;
	return worker->is_cancelled;
}

/* Never blocks: a command stopped by ^Z must not keep the target frozen. */
void worker_tell(struct worker *worker, const void *message, size_t size)
{
	struct packet_header header = { .form = PACKET_TOLD };
	struct iovec parts[] = { { &header, sizeof(header) }, { (void *)message, size } };
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = 2 };

	assert(size <= MESSAGE_MAX);
	if (worker->channel >= 0)
		(void)sendmsg(worker->channel, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void worker_watch(struct worker *worker, bool is_watched)
{
	struct packet_header header = { .form = PACKET_WATCH, .code = is_watched };

	/* A full socket is read soon, unless the command is stopped: then nobody watches. */
	if (worker->channel >= 0)
		(void)send(worker->channel, &header, sizeof(header), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_result(struct worker *worker, enum packet_form form, int code,
			const struct err *err)
{
	struct packet_header header = { .form = form, .code = code };
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ (void *)err, sizeof(*err) },
		{ worker->job->result, worker->job->result_size },
	};
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = 3 };

	if (worker->channel < 0)
		return;
	while (sendmsg(worker->channel, &packet, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	drop_fd(&worker->channel);
}

void worker_report(struct worker *worker, const struct err *err)
{
	struct err none = ERR_NONE;

	send_result(worker, PACKET_REPORT, err ? err->code : 0, err ? err : &none);
	drop_fd(&worker->lifeline);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

/* A broken pipe or a file too big is an error to unwind from, not a death. Handlers, since an
 * ignored signal would stay ignored in what a container executes. */
static void set_signals(void)
{
	struct sigaction action = { .sa_handler = ignore_signal, .sa_flags = SA_RESTART };

	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGXFSZ, &action, NULL);
	action.sa_handler = SIG_DFL;
	(void)sigaction(SIGCHLD, &action, NULL);
}

static _Noreturn void run_worker(const struct worker_job *job, int lifeline, int channel)
{
	struct worker worker = { .job = job, .lifeline = lifeline, .channel = channel };
	struct err err = ERR_NONE;
	int r;

	(void)setsid();
	set_signals();
	r = job->work(&worker, job->argument, job->result, &err);
	(void)fflush(NULL);
	send_result(&worker, PACKET_RESULT, r, &err);
	_exit(0);
}

/* ---- in the parent ---- */

struct wait {
	const struct worker_job *job;
	pid_t pid;
	int pidfd;
	int channel;
	struct buf packet;
	struct err *err;
	int code;
	bool has_result;
	bool goes_on;
	bool is_watched;
	bool is_stuck;	       /* and killed */
	uint64_t switches;     /* how often it has waited for something */
	struct timespec since; /* it has not since then */
};

static void take_result(struct wait *wait, const struct packet_header *header, const char *rest,
			size_t size)
{
	const struct worker_job *job = wait->job;

	if (size != sizeof(*wait->err) + job->result_size)
		return;
	if (header->code < 0)
		memcpy(wait->err, rest, sizeof(*wait->err));
	if (job->result_size > 0)
		memcpy(job->result, rest + sizeof(*wait->err), job->result_size);
	wait->code = header->code;
	wait->goes_on = header->form == PACKET_REPORT;
	wait->has_result = true;
}

/* Takes one packet if there is one. */
static bool take_packet(struct wait *wait)
{
	const struct worker_job *job = wait->job;
	struct packet_header header;
	ssize_t n = recv(wait->channel, wait->packet.data, wait->packet.size, MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(header))
		return false;
	memcpy(&header, wait->packet.data, sizeof(header));
	if (header.form == PACKET_WATCH)
		wait->is_watched = header.code != 0;
	else if (header.form != PACKET_TOLD)
		take_result(wait, &header, wait->packet.data + sizeof(header),
			    (size_t)n - sizeof(header));
	else if (job->told)
		job->told(job->argument, wait->packet.data + sizeof(header),
			  (size_t)n - sizeof(header));
	return true;
}

static int64_t ms_since(const struct timespec *start)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)(now.tv_sec - start->tv_sec) * 1000 +
	       (now.tv_nsec - start->tv_nsec) / 1000000;
}

/* Has it done nothing since the last look but wait for one thing? */
static bool is_still_waiting(struct wait *wait)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = mem_printf("/proc/%d/status", wait->pid);
	uint64_t switches = 0;
	struct err ignored = ERR_NONE;
	bool is_same;

	if (procfs_read(AT_FDCWD, path, &text, &ignored) < 0 ||
	    !procfs_field(text.data, "voluntary_ctxt_switches", 10, &switches))
		return false;
	is_same = switches == wait->switches && !strstr(text.data, "State:\tR");
	wait->switches = switches;
	return is_same;
}

static void look(struct wait *wait)
{
	if (!wait->is_watched || !is_still_waiting(wait)) {
		(void)clock_gettime(CLOCK_MONOTONIC, &wait->since);
		return;
	}
	if (ms_since(&wait->since) < wait->job->patience_ms)
		return;
	wait->is_stuck = true;
	(void)sys_pidfd_send_signal(wait->pidfd, SIGKILL);
}

static void wait_for_result(struct wait *wait)
{
	struct pollfd fds[] = {
		{ .fd = wait->channel, .events = POLLIN },
		{ .fd = wait->pidfd, .events = POLLIN },
	};

	while (!wait->has_result) {
		bool is_dead;

		if (poll(fds, 2, wait->is_watched ? LOOK_MS : -1) < 0)
			continue;
		look(wait);
		is_dead = fds[1].revents != 0;
		while (!wait->has_result && take_packet(wait))
			;
		if (is_dead)
			return;
		if (fds[0].revents & POLLHUP)
			fds[0].fd = -1;
	}
}

static void *reap(void *argument)
{
	pid_t pid = (pid_t)(intptr_t)argument;

	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return NULL;
}

/* Should a worker that goes on alone end before we do, a thread reaps it. */
static void reap_later(pid_t pid)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_create(&thread, &attributes, reap, (void *)(intptr_t)pid);
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int tell_death(const struct wait *wait, int status, struct err *err)
{
	const struct worker_job *job = wait->job;

	if (job->after)
		job->after(job->argument);
	if (wait->is_stuck) {
		(void)err_set(err, ERR_FAILED, "nothing happened for %u seconds",
			      job->patience_ms / 1000);
		return err_hint(err, "a file system or device of the container does not answer");
	}
	if (WIFSIGNALED(status))
		return err_set(err, ERR_FAILED, "the worker process was killed by signal %d",
			       WTERMSIG(status));
	return err_set(err, ERR_FAILED, "the worker process ended without a result");
}

static int finish(struct wait *wait)
{
	int status = 0;

	wait_for_result(wait);
	if (wait->goes_on) {
		reap_later(wait->pid);
		return wait->code;
	}
	while (waitpid(wait->pid, &status, 0) < 0 && errno == EINTR)
		;
	return wait->has_result ? wait->code : tell_death(wait, status, wait->err);
}

/* The parent's ends. */
struct ends {
	int lifeline;
	int channel;
};

static int fork_worker(const struct worker_job *job, struct ends *ends, pid_t *ret_pid,
		       struct err *err)
{
	auto_close int lifeline = -1, channel = -1;
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	lifeline = pair[0];
	ends->lifeline = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "create a socket pair");
	channel = pair[0];
	ends->channel = pair[1];

	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "create the worker process");
	if (pid == 0) {
		(void)close(ends->lifeline);
		(void)close(ends->channel);
		run_worker(job, lifeline, channel);
	}
	*ret_pid = pid;
	return 0;
}

int worker_run(const struct worker_job *job, struct err *err)
{
	auto_close int pidfd = -1, lifeline = -1, channel = -1;
	auto_buf struct buf packet = BUF_EMPTY;
	struct ends ends = { -1, -1 };
	struct wait wait = { .job = job, .err = err };
	int r;

	assert(job->result_size <= MESSAGE_MAX);
	r = fork_worker(job, &ends, &wait.pid, err);
	lifeline = ends.lifeline;
	channel = ends.channel;
	if (r < 0)
		return r;
	pidfd = sys_pidfd_open(wait.pid);
	if (pidfd < 0) {
		drop_fd(&lifeline);
		(void)reap((void *)(intptr_t)wait.pid);
		return err_set(err, pidfd, "open the worker process");
	}
	(void)buf_append(&packet, NULL, sizeof(struct packet_header) + sizeof(*err) + MESSAGE_MAX);
	wait.pidfd = pidfd;
	wait.channel = channel;
	wait.packet = packet;
	return finish(&wait);
}
