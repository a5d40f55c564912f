/* Workers: results, messages, and deaths on both sides. */
#include "core/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "unit.h"

struct result {
	pid_t pid;
	int number;
};

/* What a case shares with its worker. */
struct stage {
	int pipe[2]; /* the worker's side writes */
	size_t told;
	char last[32];
	int after;
};

static struct stage new_stage(struct unit *unit)
{
	struct stage stage = { .pipe = { -1, -1 } };

	EXPECT(unit, pipe2(stage.pipe, O_CLOEXEC) == 0);
	return stage;
}

static void stage_free(struct stage *stage)
{
	cleanup_close(&stage->pipe[0]);
	cleanup_close(&stage->pipe[1]);
}
#define auto_stage auto_with(stage_free)

static void told(void *argument, const void *message, size_t size)
{
	struct stage *stage = argument;

	stage->told++;
	(void)snprintf(stage->last, sizeof(stage->last), "%.*s", (int)size, (const char *)message);
}

static void after(void *argument)
{
	((struct stage *)argument)->after++;
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int run(struct stage *stage, struct result *result, struct err *err,
	       int (*work)(struct worker *, void *, void *, struct err *))
{
	struct worker_job job = { work, after, told, stage, result, sizeof(*result), 0 };

	return worker_run(&job, err);
}

/* ---- results ---- */

static int work_well(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	struct result *result = ret_result;

	(void)argument;
	worker_tell(worker, "first", 5);
	worker_tell(worker, "", 0);
	worker_tell(worker, "last", 4);
	result->pid = getpid();
	result->number = 7;
	if (worker_is_cancelled(worker) || getsid(0) != getpid() || worker_lifeline(worker) < 0)
		return err_set(err, ERR_FAILED, "not as promised");
	return 0;
}

static void gives_result(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_well) == 0);
	EXPECT(unit, result.number == 7 && result.pid != getpid());
	EXPECT(unit, stage.told == 3 && stage.after == 0);
	EXPECT_TEXT(unit, stage.last, "last");
	EXPECT(unit, !has_children());
}

static int work_badly(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	(void)worker;
	(void)argument;
	((struct result *)ret_result)->number = 3;
	(void)err_set(err, ERR_REFUSED, "no");
	return err_hint(err, "a remedy");
}

static void gives_error(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_badly) == ERR_REFUSED);
	EXPECT(unit, err.code == ERR_REFUSED && result.number == 3 && stage.after == 0);
	EXPECT_TEXT(unit, err.text, "no");
	EXPECT_TEXT(unit, err.hint, "a remedy");
	EXPECT(unit, !has_children());
}

/* ---- the worker dies ---- */

static int work_and_die(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	(void)argument;
	(void)ret_result;
	(void)err;
	worker_tell(worker, "before", 6);
	(void)raise(SIGKILL);
	return 0;
}

static void worker_killed(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_and_die) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "the worker process was killed by signal 9");
	EXPECT_TEXT(unit, stage.last, "before");
	EXPECT(unit, stage.after == 1 && !has_children());
}

/* The worker's child holds the socket open for longer than the worker lives. */
static int work_with_child(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	struct stage *stage = argument;
	pid_t child = fork();

	(void)err;
	(void)ret_result;
	if (child == 0) {
		char byte;

		/* Until the test closes its end. */
		(void)close(stage->pipe[1]);
		_exit(read(stage->pipe[0], &byte, 1) == 0 ? 0 : 1);
	}
	worker_tell(worker, "forked", 6);
	(void)raise(SIGKILL);
	return 0;
}

static void worker_killed_child_lives(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_with_child) == ERR_FAILED);
	EXPECT(unit, stage.after == 1 && stage.told == 1 && !has_children());
}

static int work_and_exit(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	(void)worker;
	(void)argument;
	(void)ret_result;
	(void)err;
	_exit(0);
}

static void worker_exits(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_and_exit) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "the worker process ended without a result");
	EXPECT(unit, stage.after == 1);
}

/* ---- the parent dies ---- */

static int work_until_cancelled(struct worker *worker, void *argument, void *ret_result,
				struct err *err)
{
	struct stage *stage = argument;
	struct pollfd fd = { .fd = worker_lifeline(worker), .events = POLLIN };
	char byte = 's';

	(void)ret_result;
	if (worker_is_cancelled(worker))
		byte = '!';
	(void)!write(stage->pipe[1], &byte, 1);
	(void)poll(&fd, 1, -1);
	worker_tell(worker, "nobody", 6);
	byte = worker_is_cancelled(worker) ? 'c' : '?';
	(void)!write(stage->pipe[1], &byte, 1);
	return err_set(err, -ECANCELED, "cancelled");
}

static void parent_killed(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;
	char byte = 0;
	int status = 0;
	pid_t command = fork();

	if (command == 0)
		_exit(run(&stage, &result, &err, work_until_cancelled) < 0 ? 1 : 0);
	drop_fd(&stage.pipe[1]);
	EXPECT(unit, read(stage.pipe[0], &byte, 1) == 1 && byte == 's');
	EXPECT(unit, kill(command, SIGKILL) == 0 && waitpid(command, &status, 0) == command);
	EXPECT(unit, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT(unit, read(stage.pipe[0], &byte, 1) == 1 && byte == 'c');
	/* The worker has ended. */
	EXPECT(unit, read(stage.pipe[0], &byte, 1) == 0);
}

/* More than a socket holds, while the parent is stopped. */
static int work_and_talk(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	static const char message[60000];
	struct stage *stage = argument;
	pid_t parent = getppid();
	int r;

	(void)ret_result;
	r = kill(parent, SIGSTOP);
	for (int i = 0; i < 100; i++)
		worker_tell(worker, message, sizeof(message));
	(void)!write(stage->pipe[1], "t", 1);
	return r < 0 ? err_set(err, -errno, "stop the parent") : 0;
}

static void parent_stopped(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;
	int status = -1;
	char byte = 0;
	pid_t command = fork();

	if (command == 0)
		_exit(run(&stage, &result, &err, work_and_talk) == 0 && stage.told > 0 ? 0 : 1);
	EXPECT(unit, read(stage.pipe[0], &byte, 1) == 1 && byte == 't');
	EXPECT(unit, kill(command, SIGCONT) == 0);
	EXPECT(unit, waitpid(command, &status, 0) == command && status == 0);
}

/* ---- it goes on alone ---- */

static int work_alone(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	struct stage *stage = argument;
	struct result *result = ret_result;
	char byte;

	(void)err;
	drop_fd(&stage->pipe[1]);
	result->pid = getpid();
	result->number = 5;
	worker_report(worker, NULL);
	result->number = 6;
	worker_tell(worker, "late", 4);
	/* Until the parent has closed its end. */
	if (read(stage->pipe[0], &byte, 1) != 0 || worker_is_cancelled(worker) ||
	    worker_lifeline(worker) != -1)
		_exit(1);
	return 0;
}

static void goes_on_alone(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct pollfd ended = { .fd = -1, .events = POLLIN };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_alone) == 0 && result.number == 5);
	EXPECT(unit, stage.told == 0 && stage.after == 0 && kill(result.pid, 0) == 0);
	ended.fd = sys_pidfd_open(result.pid);
	drop_fd(&stage.pipe[1]);
	EXPECT(unit, poll(&ended, 1, 10000) == 1);
	/* It is reaped by itself; nothing tells when. */
	for (int i = 0; i < 1000 && has_children(); i++)
		(void)poll(NULL, 0, 1);
	EXPECT(unit, !has_children());
	cleanup_close(&ended.fd);
}

static int work_report_error(struct worker *worker, void *argument, void *ret_result,
			     struct err *err)
{
	(void)argument;
	(void)ret_result;
	(void)err_set(err, ERR_HOST, "lacking");
	worker_report(worker, err);
	return 0;
}

static void reports_error(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_report_error) == ERR_HOST);
	EXPECT_TEXT(unit, err.text, "lacking");
	EXPECT(unit, stage.after == 0);
}

/* ---- what the worker inherits ---- */

static int work_on_pipe(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	int broken[2];
	struct sigaction action;

	(void)worker;
	(void)argument;
	(void)ret_result;
	if (pipe(broken) < 0 || close(broken[0]) < 0 || write(broken[1], "x", 1) >= 0)
		return err_set(err, ERR_FAILED, "wrote to a broken pipe");
	if (errno != EPIPE)
		return err_set(err, -errno, "another error");
	(void)sigaction(SIGPIPE, NULL, &action);
	if (action.sa_handler == SIG_IGN)
		return err_set(err, ERR_FAILED, "SIGPIPE would stay ignored over exec");
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) != 0)
			return err_set(err, ERR_FAILED, "descriptor %d was touched", fd);
	}
	return 0;
}

static void survives_broken_pipe(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run(&stage, &result, &err, work_on_pipe) == 0);
	EXPECT_TEXT(unit, err.text, "");
}

static void buffered_text_is_written_once(struct unit *unit)
{
	auto_stage struct stage stage = new_stage(unit);
	struct result result = { .number = 0 };
	struct err err = ERR_NONE;
	auto_fclose FILE *file = tmpfile();
	char text[32] = "";

	if (!EXPECT(unit, file && fputs("once", file) >= 0))
		return;
	EXPECT(unit, run(&stage, &result, &err, work_well) == 0);
	EXPECT(unit, fflush(file) == 0);
	rewind(file);
	EXPECT(unit, fread(text, 1, sizeof(text) - 1, file) == 4);
	EXPECT_TEXT(unit, text, "once");
}

static int wait_for_ever(struct worker *worker, void *argument, void *ret_result, struct err *err)
{
	(void)argument;
	(void)ret_result;
	(void)err;
	worker_watch(worker, true);
	(void)sleep(60);
	return 0;
}

static int wait_for_two_seconds(struct worker *worker, void *argument, void *ret_result,
				struct err *err)
{
	(void)argument;
	(void)ret_result;
	(void)err;
	worker_watch(worker, true);
	worker_watch(worker, false);
	(void)sleep(2);
	return 0;
}

static int run_watched(int (*work)(struct worker *, void *, void *, struct err *), int *ret_after,
		       struct err *err)
{
	struct stage stage = { .pipe = { -1, -1 } };
	struct worker_job job = { work, after, NULL, &stage, NULL, 0, 1000 };
	int r = worker_run(&job, err);

	*ret_after = stage.after;
	return r;
}

static void waits_for_ever(struct unit *unit)
{
	struct err err = ERR_NONE;
	int called = 0;

	(void)EXPECT(unit, run_watched(wait_for_ever, &called, &err) == ERR_FAILED);
	(void)EXPECT(unit, called == 1 && !has_children());
	(void)EXPECT_TEXT(unit, err.text, "nothing happened for 1 seconds");
	(void)EXPECT_TEXT(unit, err.hint,
			  "a file system or device of the container does not answer");
}

static void waits_unwatched(struct unit *unit)
{
	struct err err = ERR_NONE;
	int called = 0;

	(void)EXPECT(unit, run_watched(wait_for_two_seconds, &called, &err) == 0 && called == 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(gives_result),
	UNIT_CASE(gives_error),
	UNIT_CASE(worker_killed),
	UNIT_CASE(worker_killed_child_lives),
	UNIT_CASE(worker_exits),
	UNIT_CASE(parent_killed),
	UNIT_CASE(parent_stopped),
	UNIT_CASE(goes_on_alone),
	UNIT_CASE(reports_error),
	UNIT_CASE(survives_broken_pipe),
	UNIT_CASE(waits_for_ever),
	UNIT_CASE(waits_unwatched),
	UNIT_CASE(buffered_text_is_written_once),
};

int main(void)
{
	return UNIT_RUN(cases);
}
