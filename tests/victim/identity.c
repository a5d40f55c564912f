/* identity: a tree with process groups and sessions, some of which lost their leader, orphans,
 * zombies, stopped processes, and a child that announces its end by another signal. With the
 * argument "shared", an orphan in a session whose leader is dead, which shares descriptors with its
 * parent. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "family.h"

enum { MEMBERS = 10 };

/* What every process sees of itself, by a number that stays. */
struct view {
	pid_t pid, parent, group, session;
};

struct board {
	struct view views[MEMBERS];
	int built;
	int verified;
};

static struct board *board;

static struct view look(void)
{
	return (struct view){ getpid(), getppid(), getpgrp(), getsid(0) };
}

static void live(int number)
{
	struct view now;

	board->views[number] = look();
	add_one(&board->built);
	victim_wait_file("go");
	now = look();
	if (memcmp(&now, &board->views[number], sizeof(now)) != 0)
		victim_fail("member %d: pid %d parent %d group %d session %d, now %d %d %d %d",
			    number, board->views[number].pid, board->views[number].parent,
			    board->views[number].group, board->views[number].session, now.pid,
			    now.parent, now.group, now.session);
	add_one(&board->verified);
}

static pid_t start(int number, void (*prepare)(void))
{
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0) {
		if (prepare)
			prepare();
		live(number);
		_exit(0);
	}
	return child;
}

static void lead_session(void)
{
	EXPECT(setsid() == getpid());
}

static void lead_group(void)
{
	EXPECT(setpgid(0, 0) == 0);
}

/* 2 becomes an orphan of the subreaper in a session whose leader is dead. */
static void make_orphan(int number)
{
	pid_t leader = fork();
	int built = board->built;
	int status;

	if (leader == 0) {
		lead_session();
		(void)start(number, NULL);
		await_count(&board->built, built + 1);
		_exit(0);
	}
	EXPECT(waitpid(leader, &status, 0) == leader && status == 0);
	board->views[number].parent = getpid();
}

/* A group that outlives its leader; the leader is a zombie if it stays unreaped. */
static void make_headless_group(int number, bool is_reaped, pid_t *ret_zombie)
{
	pid_t leader = fork();
	siginfo_t info;
	pid_t member;

	if (leader == 0) {
		lead_group();
		(void)raise(SIGSTOP);
		_exit(7);
	}
	EXPECT(waitid(P_PID, (id_t)leader, &info, WSTOPPED | WNOWAIT) == 0);
	member = fork();
	if (member == 0) {
		EXPECT(setpgid(0, leader) == 0);
		live(number);
		_exit(0);
	}
	await_count(&board->built, number + 1);
	EXPECT(kill(leader, SIGCONT) == 0);
	EXPECT(waitid(P_PID, (id_t)leader, &info, WEXITED | (is_reaped ? 0 : WNOWAIT)) == 0);
	if (!is_reaped)
		*ret_zombie = leader;
}

/* In a session whose leader is gone, one of a group whose leader is a zombie. */
static void make_left_group(int number, pid_t *ret_zombie)
{
	pid_t leader = fork();
	siginfo_t info;

	if (leader == 0) {
		pid_t first;

		lead_session();
		first = fork();
		if (first == 0) {
			lead_group();
			(void)start(number, NULL);
			await_count(&board->built, number + 1);
			_exit(9);
		}
		EXPECT(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT) == 0);
		_exit(0);
	}
	EXPECT(waitpid(leader, NULL, 0) == leader);
	*ret_zombie = board->views[number].group;
	board->views[number].parent = getpid();
}

/* A child that was in its parent's session before the parent got its own. */
static void make_old_session(int number)
{
	pid_t parent = fork();

	if (parent == 0) {
		(void)start(number, NULL);
		await_count(&board->built, number + 1);
		lead_session();
		(void)start(number + 1, lead_group);
		await_count(&board->built, number + 2);
		live(number + 2);
		EXPECT(wait(NULL) > 0 && wait(NULL) > 0);
		_exit(0);
	}
	await_count(&board->built, number + 3);
}

static pid_t make_zombie(int status, int signal)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0) {
		if (signal)
			(void)raise(signal);
		_exit(status);
	}
	EXPECT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
	return child;
}

static pid_t make_stopped(int signal)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0) {
		/* In an orphaned group, only SIGSTOP would do. */
		lead_group();
		(void)raise(signal);
		_exit(21);
	}
	EXPECT(waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0 && info.si_status == signal);
	return child;
}

static void expect_stopped(pid_t child)
{
	siginfo_t info = { 0 };
	int status;
	char path[64];
	char text[512];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", child);
	fd = open(path, O_RDONLY);
	EXPECT(fd >= 0 && read(fd, text, sizeof(text)) > 0 && strstr(text, ") T "));
	(void)close(fd);
	EXPECT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
	EXPECT(kill(child, SIGCONT) == 0);
	EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 21);
}

static pid_t make_announcer(void)
{
	struct clone_args {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .exit_signal = SIGUSR2 };
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (child == 0) {
		live(8);
		_exit(0);
	}
	return child;
}

static void expect_announced(pid_t child)
{
	siginfo_t info;
	sigset_t set;

	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0);
	EXPECT(sigwaitinfo(&set, &info) == SIGUSR2 && info.si_pid == child);
	EXPECT(waitpid(child, NULL, __WCLONE) == child);
}

static pid_t fork_sharing(void)
{
	struct clone_args {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void be_shared_leader(void)
{
	lead_session();
	if (fork_sharing() == 0) {
		lead_group();
		live(0);
		_exit(0);
	}
	await_count(&board->built, 1);
	_exit(0);
}

static _Noreturn void share_with_orphan(void)
{
	pid_t leader = fork_sharing();
	int status;

	if (leader == 0)
		be_shared_leader();
	EXPECT(waitpid(leader, &status, 0) == leader && status == 0);
	board->views[0].parent = getpid();
	wait_for_restore();
	await_count(&board->verified, 1);
	EXPECT(wait(&status) > 0 && status == 0);
	victim_done();
}

int main(int argc, char **argv)
{
	pid_t zombies[5];
	pid_t stopped[2];
	pid_t announcer;
	sigset_t set;
	int status;

	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(board != MAP_FAILED);
	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR2) == 0);
	EXPECT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	if (argc > 1 && strcmp(argv[1], "shared") == 0)
		share_with_orphan();

	(void)start(0, lead_group);
	await_count(&board->built, 1);
	(void)start(1, lead_session);
	await_count(&board->built, 2);
	make_orphan(2);
	make_headless_group(3, true, NULL);
	make_headless_group(4, false, &zombies[3]);
	make_old_session(5);
	announcer = make_announcer();
	await_count(&board->built, 9);
	make_left_group(9, &zombies[4]);
	zombies[0] = make_zombie(33, 0);
	zombies[1] = make_zombie(0, SIGKILL);
	zombies[2] = make_zombie(0, SIGTERM);
	stopped[0] = make_stopped(SIGSTOP);
	stopped[1] = make_stopped(SIGTSTP);
	board->views[2].parent = getpid();

	wait_for_restore();

	await_count(&board->verified, MEMBERS);
	expect_announced(announcer);
	EXPECT(waitpid(zombies[0], &status, 0) == zombies[0] && WEXITSTATUS(status) == 33);
	EXPECT(waitpid(zombies[1], &status, 0) == zombies[1] && WTERMSIG(status) == SIGKILL);
	EXPECT(waitpid(zombies[2], &status, 0) == zombies[2] && WTERMSIG(status) == SIGTERM);
	EXPECT(waitpid(zombies[3], &status, 0) == zombies[3] && WEXITSTATUS(status) == 7);
	EXPECT(waitpid(zombies[4], &status, 0) == zombies[4] && WEXITSTATUS(status) == 9);
	for (int i = 0; i < 2; i++)
		expect_stopped(stopped[i]);
	/* Orphans of the subreaper among them. */
	while (wait(&status) > 0)
		EXPECT(status == 0);
	victim_done();
}
