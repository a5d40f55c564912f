/* A tracer that dies between two runs, or in the middle of one, leaves a source that goes on as if
 * nothing had been. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/remote.h"
#include "unit.h"

/* Answers each byte with the next one. */
static _Noreturn void answer(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1) {
		byte++;
		if (write(to, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* Runs a script in the process, and dies with the work half done. */
static _Noreturn void trace(pid_t pid, bool midway)
{
	struct remote remote = { .tid = pid, .outlives_us = true };
	auto_script struct script script = SCRIPT_NONE;
	struct err err = ERR_NONE;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 || waitpid(pid, &status, __WALL) != pid ||
	    remote_prepare(&remote, 0, &err) < 0 ||
	    remote_zone_map(&remote, 1 << 16, REMOTE_HEAL_SIZE, &err) < 0 ||
	    remote_write_heal(&remote, 0, &err) < 0)
		_exit(1);
	script_init(&script, &remote);
	(void)script_syscall(&script, "getpid", 0, SYS_getpid);
	if (script_run(&script, &err) < 0 || script_result(&script, 0) != pid)
		_exit(2);
	for (int i = 0; i < 100 && midway; i++)
		(void)script_syscall(&script, "getppid", 0, SYS_getppid);
	if (midway && script_start(&script, &err) < 0)
		_exit(4);
	(void)kill(getpid(), SIGKILL);
	_exit(3);
}

static bool answers(int to, int from)
{
	char byte = 'a';

	return write(to, &byte, 1) == 1 && read(from, &byte, 1) == 1 && byte == 'b';
}

static void try_death(struct unit *unit, bool midway)
{
	int question[2], reply[2];
	int status;
	pid_t victim, tracer;

	(void)signal(SIGPIPE, SIG_IGN);
	if (!EXPECT(unit, pipe(question) == 0 && pipe(reply) == 0))
		return;
	victim = fork();
	if (victim == 0) {
		(void)close(question[1]);
		(void)close(reply[0]);
		answer(question[0], reply[1]);
	}
	(void)close(question[0]);
	(void)close(reply[1]);
	(void)EXPECT(unit, answers(question[1], reply[0]));

	tracer = fork();
	if (tracer == 0)
		trace(victim, midway);
	(void)EXPECT(unit, waitpid(tracer, &status, 0) == tracer);
	(void)EXPECT(unit, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	(void)EXPECT(unit, answers(question[1], reply[0]));
	/* Its signals are open, too. */
	(void)EXPECT(unit, kill(victim, SIGTERM) == 0 && waitpid(victim, &status, 0) == victim);
	(void)EXPECT(unit, WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void between_scripts(struct unit *unit)
{
	try_death(unit, false);
}

static void in_a_script(struct unit *unit)
{
	try_death(unit, true);
}

int main(void)
{
	static const struct unit_case cases[] = { UNIT_CASE(between_scripts),
						  UNIT_CASE(in_a_script) };

	return UNIT_RUN(cases);
}
