/* nsproxy: pid namespaces in the container, three deep, with and without user namespaces: their
 * first tasks, threads, sessions, groups, orphans, a zombie, a task whose parent is outside, and
 * one whose next children will be in one. With an argument, a task whose "session" or "group" is
 * none of its pid namespace, and has lost its leader. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "family.h"

enum { MEMBERS = 12 };

/* What every process sees of itself, and what it is in the container. */
struct view {
	pid_t pid, parent, group, session, outer, thread;
	char pid_ns[64], user_ns[64];
};

struct board {
	struct view views[MEMBERS];
	int built;
	int verified;
};

static struct board *board;

static void read_link(const char *path, char *text, size_t size)
{
	ssize_t n = readlink(path, text, size - 1);

	EXPECT(n > 0);
	text[n] = '\0';
}

static struct view look(pid_t thread)
{
	struct view view = { getpid(), getppid(), getpgrp(), getsid(0), 0, thread, "", "" };
	char self[32];

	read_link("/proc/self", self, sizeof(self));
	view.outer = atoi(self);
	read_link("/proc/self/ns/pid", view.pid_ns, sizeof(view.pid_ns));
	read_link("/proc/self/ns/user", view.user_ns, sizeof(view.user_ns));
	return view;
}

/* Namespaces are others after a restore: which tasks share one stays. */
static void compare(int number, const struct view *then, const struct view *now)
{
	if (memcmp(then, now, offsetof(struct view, pid_ns)) != 0)
		victim_fail("member %d: pid %d parent %d group %d session %d outer %d thread %d, "
			    "now %d %d %d %d %d %d",
			    number, then->pid, then->parent, then->group, then->session,
			    then->outer, then->thread, now->pid, now->parent, now->group,
			    now->session, now->outer, now->thread);
}

static void live_with(int number, pid_t thread, pid_t (*ask)(void))
{
	struct view now;

	board->views[number] = look(thread);
	add_one(&board->built);
	victim_wait_file("go");
	now = look(ask ? ask() : 0);
	compare(number, &board->views[number], &now);
	board->views[number] = now;
	add_one(&board->verified);
	/* The end of a first task is the end of its namespace. */
	await_count(&board->verified, MEMBERS);
}

static void live(int number)
{
	live_with(number, 0, NULL);
}

static pid_t start(int number, void (*prepare)(void))
{
	int built = board->built;
	pid_t child = fork();

	EXPECT(child >= 0);
	if (child == 0) {
		if (prepare)
			prepare();
		live(number);
		_exit(0);
	}
	await_count(&board->built, built + 1);
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

static void start_orphan(int number)
{
	pid_t leader = fork();
	int status;

	if (leader == 0) {
		lead_session();
		(void)start(number, NULL);
		_exit(0);
	}
	EXPECT(waitpid(leader, &status, 0) == leader && status == 0);
	/* It saw its first parent. */
	board->views[number].parent = getpid();
}

static pid_t thread_id;
static int thread_may_say;

static void *be_thread(void *argument)
{
	__atomic_store_n(&thread_id, gettid(), __ATOMIC_SEQ_CST);
	await_count(&thread_may_say, 1);
	__atomic_store_n(&thread_id, gettid(), __ATOMIC_SEQ_CST);
	return argument;
}

static pthread_t thread;

static pid_t ask_thread(void)
{
	__atomic_store_n(&thread_may_say, 1, __ATOMIC_SEQ_CST);
	EXPECT(pthread_join(thread, NULL) == 0);
	return thread_id;
}

static pid_t start_thread(void)
{
	EXPECT(pthread_create(&thread, NULL, be_thread, NULL) == 0);
	await_count(&thread_id, 1);
	return thread_id;
}

/* One in a namespace below that is made with it, its parent stays where it is. */
static void start_below(int number)
{
	struct clone_args {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = CLONE_NEWPID | CLONE_NEWUSER, .exit_signal = SIGCHLD };
	int built = board->built;
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	EXPECT(child >= 0);
	if (child == 0) {
		EXPECT(getpid() == 1);
		live(number);
		_exit(0);
	}
	await_count(&board->built, built + 1);
}

static void be_second_level(void)
{
	int built = board->built;
	pid_t child;

	enter_user_namespace(0);
	EXPECT(unshare(CLONE_NEWPID) == 0);
	child = fork();
	if (child == 0) {
		EXPECT(getpid() == 1);
		start_below(8);
		(void)start(7, NULL);
		live(6);
		_exit(0);
	}
	await_count(&board->built, built + 3);
}

static void be_first_task(void)
{
	siginfo_t info;
	pid_t zombie;
	int status;
	pid_t tid;

	EXPECT(getpid() == 1);
	tid = start_thread();
	(void)start(2, lead_session);
	(void)start(3, lead_group);
	start_orphan(4);
	(void)start(5, be_second_level);
	zombie = fork();
	if (zombie == 0)
		_exit(29);
	EXPECT(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT) == 0);
	live_with(1, tid, ask_thread);
	EXPECT(waitpid(zombie, &status, 0) == zombie && WEXITSTATUS(status) == 29);
	_exit(0);
}

static void expect_inner_child(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(getppid() == 0 && getpid() != 1 ? 0 : 1);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void be_outer_parent(void)
{
	int built = board->built;
	struct view now;
	pid_t first;
	pid_t child;
	int status;

	enter_user_namespace(0);
	EXPECT(unshare(CLONE_NEWPID) == 0);
	first = fork();
	if (first == 0)
		be_first_task();
	await_count(&board->built, built + 8);
	(void)start(9, NULL);
	board->views[0] = look(0);
	add_one(&board->built);
	victim_wait_file("go");
	now = look(0);
	compare(0, &board->views[0], &now);
	board->views[0] = now;
	expect_inner_child();
	add_one(&board->verified);
	/* The end of the first task kills all others, and waits for them. */
	while ((child = wait(&status)) > 0)
		EXPECT(status == 0 || (child != first && status == SIGKILL));
	_exit(0);
}

static void start_of_container(int number)
{
	struct clone_args {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	int built = board->built;
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	EXPECT(child >= 0);
	if (child == 0) {
		(void)start(number + 1, lead_session);
		live(number);
		_exit(0);
	}
	await_count(&board->built, built + 2);
}

static bool is_same_ns(int one, int other)
{
	return strcmp(board->views[one].pid_ns, board->views[other].pid_ns) == 0;
}

static bool is_same_user(int one, int other)
{
	return strcmp(board->views[one].user_ns, board->views[other].user_ns) == 0;
}

/* ---- led from above ---- */

static void enter_namespace_of(pid_t first)
{
	int pidfd = (int)syscall(SYS_pidfd_open, first, 0);

	EXPECT(pidfd >= 0 && setns(pidfd, CLONE_NEWPID) == 0 && close(pidfd) == 0);
}

static void await_end(pid_t child)
{
	int status;

	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

/* Its parent ends, and the first task adopts it. */
static void leave_in_session(pid_t first)
{
	pid_t child;

	lead_session();
	enter_namespace_of(first);
	child = fork();
	if (child == 0) {
		(void)start(1, NULL);
		_exit(0);
	}
	await_end(child);
}

static void leave_in_group(pid_t first)
{
	int built = board->built;

	lead_group();
	if (fork() == 0) {
		enter_namespace_of(first);
		(void)start(1, NULL);
		live(2);
		_exit(0);
	}
	await_count(&board->built, built + 2);
}

static _Noreturn void leave_without_leader(const char *what)
{
	struct clone_args {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	pid_t first = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	pid_t leader;

	EXPECT(first >= 0);
	if (first == 0) {
		lead_session();
		live(0);
		_exit(0);
	}
	await_count(&board->built, 1);
	leader = fork();
	if (leader == 0) {
		if (strcmp(what, "session") == 0)
			leave_in_session(first);
		else
			leave_in_group(first);
		_exit(0);
	}
	await_end(leader);
	wait_for_restore();
	victim_done();
}

int main(int argc, char **argv)
{
	struct view own;
	pid_t outer;
	int status;

	board =
	    mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(board != MAP_FAILED);
	if (argc > 1)
		leave_without_leader(argv[1]);
	outer = fork();
	if (outer == 0)
		be_outer_parent();
	await_count(&board->built, 10);
	start_of_container(10);
	EXPECT(board->built == MEMBERS);

	wait_for_restore();

	await_count(&board->verified, MEMBERS);
	own = look(0);
	for (int i = 2; i <= 5; i++)
		EXPECT(is_same_ns(1, i) && is_same_user(1, i) == (i != 5));
	EXPECT(is_same_ns(1, 9) && is_same_ns(6, 7) && is_same_ns(10, 11));
	EXPECT(!is_same_ns(1, 6) && !is_same_ns(6, 8) && !is_same_ns(1, 10));
	EXPECT(is_same_user(5, 6) && !is_same_user(6, 8) && is_same_user(0, 1));
	EXPECT(strcmp(board->views[10].user_ns, own.user_ns) == 0);
	EXPECT(strcmp(board->views[0].pid_ns, own.pid_ns) == 0);
	EXPECT(board->views[9].parent == 0 && board->views[1].parent == 0);
	EXPECT(waitpid(outer, &status, 0) == outer && status == 0);
	while (wait(&status) > 0)
		EXPECT(status == 0 || status == SIGKILL);
	victim_done();
}
