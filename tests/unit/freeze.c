/* Freezing: nothing moves, everything moves again; stopped tasks, zombies, refusals, killing. */
#include <sys/ptrace.h>
#include <sys/stat.h>

#include "ctckpt/ctckpt.h"
#include "freeze_tree.h"

#define PROCESSES 8
#define THREADS	  4
#define BUSY_MOST 64 /* threads that hardly sleep, every second of them never */

static struct shared *counting; /* for threads */

static _Noreturn void count_forever(void *argument)
{
	volatile uint64_t *counter = argument;

	(void)__sync_add_and_fetch(&counting->ready, 1);
	for (;;) {
		(*counter)++;
		if (counter >= counting->count + BUSY_MOST)
			usleep(20000);
		else if ((counter - counting->count) % 2)
			usleep(300);
	}
}

static void *count(void *argument)
{
	count_forever(argument);
}

static void count_in_threads(struct shared *shared, unsigned int first, unsigned int threads)
{
	pthread_attr_t attr;
	pthread_t thread;

	counting = shared;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (unsigned int i = 1; i < threads; i++)
		pthread_create(&thread, &attr, count, (void *)&shared->count[first + i]);
	count_forever((void *)&shared->count[first]);
}

static void body_tree(struct shared *shared, unsigned int threads)
{
	for (unsigned int i = 1; i < PROCESSES; i++) {
		if (fork() == 0)
			count_in_threads(shared, i * threads, threads);
	}
	count_in_threads(shared, 0, threads);
}

static void test_moves(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_tree, THREADS));
	EXPECT(tree_wait_ready(tree, PROCESSES * THREADS));
	for (int i = 0; i < 5; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(freeze.is_seized && !freeze.was_frozen);
		EXPECT(freeze.thread_count == PROCESSES * THREADS);
		EXPECT(freeze.threads[0].pid == freeze.threads[0].tid);
		EXPECT(tree_stands_still(tree));
		EXPECT_OK(freeze_release(&freeze, false, &err));
		EXPECT(!freeze.target);
		EXPECT(tree_counts(tree, 0, PROCESSES * THREADS));
	}
}

static void test_guard(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_tree, THREADS));
	EXPECT(tree_wait_ready(tree, PROCESSES * THREADS));
	{
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	}
	EXPECT(tree_counts(tree, 0, PROCESSES * THREADS));
}

static void body_one(struct shared *shared, unsigned int threads)
{
	count_in_threads(shared, 0, threads);
}

static void test_many_threads(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_one, 1000));
	EXPECT(tree_wait_ready(tree, 1000));
	for (int i = 0; i < 3; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;
		uint64_t start;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(freeze.thread_count == 1000);
		EXPECT(freeze.threads[0].tid == tree->root);
		EXPECT(tree_stands_still(tree));
		start = clock_us();
		printf("# 1000 threads: froze in %" PRIu64 " us", freeze.freezing_time);
		EXPECT_OK(freeze_release(&freeze, false, &err));
		printf(", released in %" PRIu64 " us\n", clock_us() - start);
	}
	EXPECT(tree_counts(tree, 0, 1000));
}

static void body_stopped(struct shared *shared, unsigned int sig)
{
	if (fork() == 0) {
		if (sig != SIGSTOP)
			setpgid(0, 0);
		count_in_threads(shared, 1, 2);
	}
	count_in_threads(shared, 0, 1);
}

static pid_t child_of(const struct tree *tree)
{
	pid_t *pids = NULL;
	size_t number = 0;
	struct err err = ERR_NONE;
	pid_t child = -1;

	if (target_tasks(&tree->target, &pids, &number, &err) < 0)
		return -1;
	for (size_t i = 0; i < number; i++) {
		if (pids[i] != tree->root)
			child = pids[i];
	}
	free(pids);
	return child;
}

static char state_of(pid_t pid)
{
	char path[64];
	char text[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return '-';
	(void)!fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	return strrchr(text, ')') ? strrchr(text, ')')[2] : '?';
}

static bool becomes(pid_t pid, char state)
{
	for (int i = 0; i < 2000 && state_of(pid) != state; i++)
		pass_ms(1);
	return state_of(pid) == state;
}

static void check_stopped(struct tree *tree, int sig)
{
	pid_t child;

	EXPECT(tree_start(tree, TARGET_TREE, body_stopped, (unsigned int)sig));
	EXPECT(tree_wait_ready(tree, 3));
	child = child_of(tree);
	EXPECT(child > 0);
	EXPECT(kill(child, sig) == 0);
	EXPECT(becomes(child, 'T'));
	for (int i = 0; i < 3; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(freeze.thread_count == 3);
		for (size_t k = 0; k < 3; k++)
			EXPECT(freeze.threads[k].stop_signal ==
			       (freeze.threads[k].pid == child ? sig : 0));
		EXPECT_OK(freeze_release(&freeze, false, &err));
		EXPECT(tree_counts(tree, 0, 1));
		EXPECT(becomes(child, 'T'));
	}
	EXPECT(kill(child, SIGCONT) == 0);
	EXPECT(tree_counts(tree, 0, 3));
}

static void test_stopped(struct tree *tree)
{
	check_stopped(tree, SIGSTOP);
}

static void test_stopped_tty(struct tree *tree)
{
	check_stopped(tree, SIGTTIN);
}

/* Stopped by a signal that comes while it is held. */
static void test_stopped_later(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	pid_t child;

	EXPECT(tree_start(tree, TARGET_TREE, body_stopped, SIGSTOP));
	EXPECT(tree_wait_ready(tree, 3));
	child = child_of(tree);
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(kill(child, SIGSTOP) == 0);
	EXPECT_OK(freeze_release(&freeze, false, &err));
	EXPECT(becomes(child, 'T'));
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(kill(child, SIGCONT) == 0);
	EXPECT_OK(freeze_release(&freeze, false, &err));
	EXPECT(tree_counts(tree, 0, 3));
}

static void *leave_leader(void *argument)
{
	while (state_of(getpid()) != 'Z')
		usleep(300);
	count_forever(argument);
}

static void body_zombies(struct shared *shared, unsigned int unused)
{
	siginfo_t info;
	pthread_t thread;

	(void)unused;
	(void)signal(SIGCHLD, SIG_DFL);
	counting = shared;
	if (fork() == 0)
		_exit(3);
	(void)waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	if (fork() == 0) {
		pthread_create(&thread, NULL, leave_leader, (void *)&shared->count[1]);
		pthread_exit(NULL);
	}
	count_in_threads(shared, 0, 1);
}

static void test_zombies(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_zombies, 0));
	EXPECT(tree_wait_ready(tree, 2));
	for (int i = 0; i < 3; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;
		int zombies = 0;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(freeze.thread_count == 4);
		for (size_t k = 0; k < 4; k++)
			zombies += freeze.threads[k].is_zombie;
		EXPECT(zombies == 2);
		EXPECT(tree_stands_still(tree));
		EXPECT_OK(freeze_release(&freeze, false, &err));
		EXPECT(tree_counts(tree, 0, 2));
	}
}

/* A leader that dies while it is held, its thread after the release. */
static void test_rescan(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	pid_t child;

	EXPECT(tree_start(tree, TARGET_TREE, body_stopped, SIGSTOP));
	EXPECT(tree_wait_ready(tree, 3));
	child = child_of(tree);
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(freeze.thread_count == 3);
	EXPECT_OK(freeze_rescan(&freeze, &err));
	EXPECT(freeze.thread_count == 3);
	EXPECT(kill(child, SIGKILL) == 0);
	pass_ms(5);
	EXPECT_OK(freeze_release(&freeze, false, &err));
	EXPECT(tree_counts(tree, 0, 1));
}

static void test_traced(struct tree *tree)
{
	struct freeze freeze = FREEZE_NONE;
	struct err err = ERR_NONE;
	char name[32];
	int ready[2];
	pid_t tracer;
	char c;
	int r;

	EXPECT(tree_start(tree, TARGET_TREE, body_tree, 1));
	EXPECT(tree_wait_ready(tree, PROCESSES));
	EXPECT(pipe(ready) == 0);
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, tree->root, 0, 0) == 0)
			(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	EXPECT(read(ready[0], &c, 1) == 1);
	r = freeze_seize(&tree->target, &freeze, &err);
	snprintf(name, sizeof(name), "by task %d", tracer);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	EXPECT(r < 0);
	EXPECT(strstr(err.text, "is traced") && strstr(err.text, name));
	EXPECT(!freeze.target);
	EXPECT(tree_counts(tree, 0, PROCESSES));
}

static void body_other_user(struct shared *shared, unsigned int uid)
{
	(void)!setuid(uid);
	(void)prctl(PR_SET_DUMPABLE, 0);
	count_in_threads(shared, 0, 1);
}

/* Not even its own user may trace a task that is not dumpable; root may. */
static void test_not_dumpable(struct tree *tree)
{
	struct freeze freeze = FREEZE_NONE;
	struct err err = ERR_NONE;
	char uid[32];

	EXPECT(tree_start(tree, TARGET_TREE, body_other_user, getuid()));
	EXPECT(tree_wait_ready(tree, 1));
	if (getuid() == 0) {
		EXPECT(freeze_seize(&tree->target, &freeze, &err) == 0);
		freeze_free(&freeze);
	} else {
		EXPECT(freeze_seize(&tree->target, &freeze, &err) == -EPERM);
		snprintf(uid, sizeof(uid), "of user %u", getuid());
		EXPECT(strstr(err.text, uid) || strstr(err.text, "of user 0"));
		EXPECT(err.hint[0]);
	}
	EXPECT(tree_counts(tree, 0, 1));
}

static void test_kill_tree(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	int status;

	EXPECT(tree_start(tree, TARGET_TREE, body_tree, THREADS));
	EXPECT(tree_wait_ready(tree, PROCESSES * THREADS));
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT_OK(freeze_kill(&freeze, &err));
	EXPECT(!freeze.target);
	EXPECT(waitpid(tree->root, &status, 0) == tree->root);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	tree->root = -1;
}

static void test_kill_container(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	int status;

	EXPECT(tree_start(tree, TARGET_CONTAINER, body_tree, THREADS));
	EXPECT(tree_wait_ready(tree, PROCESSES * THREADS));
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(freeze.thread_count == PROCESSES * THREADS);
	EXPECT(tree_stands_still(tree));
	EXPECT_OK(freeze_release(&freeze, false, &err));
	EXPECT(tree_counts(tree, 0, PROCESSES * THREADS));
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT_OK(freeze_kill(&freeze, &err));
	EXPECT(waitpid(tree->root, &status, 0) == tree->root);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	tree->root = -1;
}

static void test_was_frozen(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	bool is_frozen = false;

	EXPECT(tree_start(tree, TARGET_TREE, body_tree, 1));
	EXPECT(tree_wait_ready(tree, PROCESSES));
	if (tree->target.freezer == FREEZER_NONE)
		return;
	EXPECT_OK(freezer_freeze(&tree->target, &err));
	EXPECT_OK(freezer_freeze(&tree->target, &err));
	EXPECT_OK(freezer_is_frozen(&tree->target, &is_frozen, &err));
	EXPECT(is_frozen && tree_stands_still(tree));

	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(freeze.was_frozen && tree_stands_still(tree));
	EXPECT_OK(freezer_is_frozen(&tree->target, &is_frozen, &err));
	EXPECT(!is_frozen);
	EXPECT_OK(freeze_release(&freeze, false, &err));
	/* On their way from our stop to the freezer's they count as running, for a moment. */
	EXPECT(tree_stands_still(tree));
	EXPECT_OK(freezer_is_frozen(&tree->target, &is_frozen, &err));
	EXPECT(is_frozen);

	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT_OK(freeze_release(&freeze, true, &err));
	EXPECT(tree_counts(tree, 0, PROCESSES));
}

static void test_stopped_was_frozen(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;
	pid_t child;

	EXPECT(tree_start(tree, TARGET_TREE, body_stopped, SIGSTOP));
	EXPECT(tree_wait_ready(tree, 3));
	child = child_of(tree);
	EXPECT(kill(child, SIGSTOP) == 0);
	EXPECT(becomes(child, 'T'));
	if (tree->target.freezer != FREEZER_NONE)
		EXPECT_OK(freezer_freeze(&tree->target, &err));
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT(freeze.thread_count == 3);
	EXPECT_OK(freeze_release(&freeze, true, &err));
	EXPECT(tree_counts(tree, 0, 1));
	EXPECT(becomes(child, 'T'));
	EXPECT(kill(child, SIGCONT) == 0);
	EXPECT(tree_counts(tree, 0, 3));
}

/* The calls of the library, which find the cgroup by themselves. */
static void test_by_name(struct tree *tree)
{
	struct ctckpt_freeze_result result;
	char name[32];

	EXPECT(tree_start(tree, TARGET_TREE, body_tree, THREADS));
	EXPECT(tree_wait_ready(tree, PROCESSES * THREADS));
	snprintf(name, sizeof(name), "pid:%d", tree->root);
	for (int i = 0; i < 3; i++) {
		EXPECT_OK(ctckpt_freeze(name, &result, &err));
		EXPECT(result.was_frozen == (i > 0));
		EXPECT(result.has_holder == (tree->target.freezer == FREEZER_NONE));
		EXPECT(result.tasks == PROCESSES && result.threads == PROCESSES * THREADS);
		EXPECT(tree_stands_still(tree));
	}
	EXPECT_OK(ctckpt_thaw(name, &result, &err));
	EXPECT(result.was_frozen);
	EXPECT(result.tasks == PROCESSES && result.threads == PROCESSES * THREADS);
	EXPECT(tree_counts(tree, 0, PROCESSES * THREADS));
	EXPECT_OK(ctckpt_thaw(name, &result, &err));
	EXPECT(!result.was_frozen);
}

/* Cgroups with children and a task that is dying. */
static void test_cgroup_removed(struct tree *tree)
{
	const char *path = tree->target.cgroup_path;
	char below[512];

	EXPECT(tree_start(tree, TARGET_TREE, body_one, 1));
	EXPECT(tree_wait_ready(tree, 1));
	if (!path)
		return;
	snprintf(below, sizeof(below), "%s/a", path);
	EXPECT(mkdir(below, 0755) == 0);
	snprintf(below, sizeof(below), "%s/a/b", path);
	EXPECT(mkdir(below, 0755) == 0);
	EXPECT(kill(tree->root, SIGKILL) == 0);
	EXPECT_OK(cgroup_destroy(path, &err));
	EXPECT_OK(cgroup_destroy(path, &err));
	EXPECT(access(path, F_OK) < 0);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "moves", test_moves },
		{ "guard", test_guard },
		{ "many threads", test_many_threads },
		{ "stopped", test_stopped },
		{ "stopped by SIGTTIN", test_stopped_tty },
		{ "stopped while held", test_stopped_later },
		{ "zombies", test_zombies },
		{ "rescan, and a death while held", test_rescan },
		{ "traced by another", test_traced },
		{ "not dumpable", test_not_dumpable },
		{ "kill a tree", test_kill_tree },
		{ "kill a container", test_kill_container },
		{ "was frozen", test_was_frozen },
		{ "stopped, was frozen", test_stopped_was_frozen },
		{ "by name", test_by_name },
		{ "cgroup removed", test_cgroup_removed },
	};

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
