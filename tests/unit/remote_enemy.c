/* A thread that runs our calls while others do what they can to it: it is kept from nothing that
 * was sent to it, and does not keep us. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "remote/remote.h"
#include "unit.h"

/* A child of ours that sleeps, stopped. */
struct prey {
	pid_t pid;
	struct remote remote;
};

static bool catch (struct prey *prey, struct err *err)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)ppoll(NULL, 0, NULL, NULL);
		_exit(0);
	}
	*prey = (struct prey){ pid, { .tid = pid, .outlives_us = true } };
	return pid > 0 && ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0 &&
	       ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid &&
	       remote_prepare(&prey->remote, 0, err) == 0;
}

static bool furnish(struct prey *prey, struct err *err)
{
	return remote_zone_map(&prey->remote, 1 << 16, REMOTE_HEAL_SIZE, err) == 0 &&
	       remote_write_heal(&prey->remote, 0, err) == 0;
}

static void end(struct prey *prey)
{
	(void)kill(prey->pid, SIGKILL);
	(void)waitpid(prey->pid, NULL, __WALL);
}

static void queue_calls(struct script *script, int count)
{
	for (int i = 0; i < count; i++)
		(void)script_syscall(script, "getppid", 0, SYS_getppid);
}

static bool is_stopped(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED) == 0 &&
	       info.si_code == CLD_STOPPED;
}

/* Code that we found in it has become another by the time that it runs. */
static void endless(struct unit *unit)
{
	struct err err = ERR_NONE;
	unsigned char *code =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct user_regs_struct regs;
	struct prey prey;
	int64_t result;

	code[0] = 0xeb; /* to itself */
	code[1] = 0xfe;
	if (!EXPECT(unit, catch (&prey, &err)))
		return;
	prey.remote.zone.gadget = (uint64_t)(uintptr_t)code;
	(void)EXPECT(unit, remote_syscall(&prey.remote, &result, &err, SYS_getpid,
					  (const uint64_t[6]){ 0 }) < 0);
	(void)EXPECT(unit, strstr(err.text, "does not come back from what it is to do for us"));
	/* It is where it was, and goes on. */
	(void)EXPECT(unit, remote_finish(&prey.remote, &err) == 0);
	(void)EXPECT(unit, ptrace(PTRACE_GETREGS, prey.pid, 0, &regs) == 0 &&
			       regs.rip == prey.remote.saved.rip);
	(void)EXPECT(unit, ptrace(PTRACE_DETACH, prey.pid, 0, 0) == 0);
	end(&prey);
}

/* The signal that nothing blocks. */
static void told_to_stop(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_script struct script script = SCRIPT_NONE;
	struct prey prey;

	if (!EXPECT(unit, catch (&prey, &err)) || !EXPECT(unit, kill(prey.pid, SIGSTOP) == 0) ||
	    !EXPECT(unit, furnish(&prey, &err)))
		return;
	script_init(&script, &prey.remote);
	queue_calls(&script, 10);
	(void)EXPECT(unit, kill(prey.pid, SIGSTOP) == 0);
	(void)EXPECT(unit, script_run(&script, &err) == 0 && script_result(&script, 9) == getpid());
	(void)EXPECT(unit, remote_finish(&prey.remote, &err) == 0);
	(void)EXPECT(unit, ptrace(PTRACE_DETACH, prey.pid, 0, 0) == 0);
	(void)EXPECT(unit, is_stopped(prey.pid));
	end(&prey);
}

static void told_to_stop_and_go_on(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_script struct script script = SCRIPT_NONE;
	struct prey prey;
	siginfo_t info = { .si_pid = 0 };

	if (!EXPECT(unit, catch (&prey, &err)) || !EXPECT(unit, furnish(&prey, &err)))
		return;
	script_init(&script, &prey.remote);
	queue_calls(&script, 10);
	(void)EXPECT(unit, kill(prey.pid, SIGSTOP) == 0);
	(void)EXPECT(unit, script_run(&script, &err) == 0);
	(void)EXPECT(unit, kill(prey.pid, SIGCONT) == 0);
	(void)EXPECT(unit, remote_finish(&prey.remote, &err) == 0);
	(void)EXPECT(unit, ptrace(PTRACE_DETACH, prey.pid, 0, 0) == 0);
	/* It ends by this, not being stopped. */
	(void)EXPECT(unit, kill(prey.pid, SIGTERM) == 0);
	(void)EXPECT(unit, waitid(P_PID, (id_t)prey.pid, &info, WEXITED) == 0 &&
			       info.si_code == CLD_KILLED && info.si_status == SIGTERM);
}

/* Somebody sends without end the very signal by which it tells that it is done. */
static void flooded(struct unit *unit)
{
	struct err err = ERR_NONE;
	auto_script struct script script = SCRIPT_NONE;
	struct prey prey;
	pid_t flood;

	if (!EXPECT(unit, catch (&prey, &err)) || !EXPECT(unit, furnish(&prey, &err)))
		return;
	flood = fork();
	if (flood == 0) {
		(void)alarm(60);
		while (kill(prey.pid, prey.remote.stop_signal) == 0)
			;
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		script_init(&script, &prey.remote);
		queue_calls(&script, 900);
		if (!EXPECT(unit, script_run(&script, &err) == 0))
			break;
		(void)EXPECT(unit, script_result(&script, 899) == getpid());
		script_free(&script);
	}
	(void)kill(flood, SIGKILL);
	(void)waitpid(flood, NULL, 0);
	(void)EXPECT(unit, remote_finish(&prey.remote, &err) == 0);
	(void)EXPECT(unit, ptrace(PTRACE_DETACH, prey.pid, 0, 0) == 0);
	end(&prey);
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(endless),
		UNIT_CASE(told_to_stop),
		UNIT_CASE(told_to_stop_and_go_on),
		UNIT_CASE(flooded),
	};

	return UNIT_RUN(cases);
}
