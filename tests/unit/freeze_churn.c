/* Freezing tasks that do not wait for it: forks, threads, vforks, programs executed, signals. */
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/ptrace.h>

#include "freeze_tree.h"

#define CYCLES	    50
#define LINEAGES    8
#define BIRTHS_MOST 5000

static void start_of(struct shared *shared)
{
	(void)__sync_add_and_fetch(&shared->ready, 1);
}

/* Freezes and lets go, many times; the whole tree stands still meanwhile. */
static void cycle(struct tree *tree, int cycles)
{
	uint64_t most = 0;

	for (int i = 0; i < cycles; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		if (freeze.freezing_time > most)
			most = freeze.freezing_time;
		if (i % 10 == 0)
			EXPECT(tree_stands_still(tree));
		EXPECT_OK(freeze_release(&freeze, false, &err));
		pass_ms(i % 3);
	}
	printf("# slowest: %" PRIu64 " us\n", most);
}

/* Each lineage is one living task: it forks and dies. Bounded, as pids are used up quickly. */
static _Noreturn void hop(struct shared *shared)
{
	while (!shared->must_end && __sync_add_and_fetch(&shared->births, 1) < BIRTHS_MOST) {
		usleep(500);
		if (fork() != 0)
			_exit(0);
	}
	for (;;)
		(void)pause();
}

static void body_hop(struct shared *shared, unsigned int lineages)
{
	for (unsigned int i = 0; i < lineages; i++) {
		if (fork() == 0)
			hop(shared);
	}
	start_of(shared);
	for (;;) {
		shared->count[0]++;
		usleep(100);
	}
}

static void test_hop(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_hop, LINEAGES));
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, CYCLES);
	EXPECT(!failed);
	EXPECT(tree_counts(tree, 0, 1));
}

static void test_hop_container(struct tree *tree)
{
	auto_freeze struct freeze freeze = FREEZE_NONE;

	EXPECT(tree_start(tree, TARGET_CONTAINER, body_hop, LINEAGES));
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, CYCLES);
	EXPECT(!failed);
	EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
	EXPECT_OK(freeze_kill(&freeze, &err));
	waitpid(tree->root, NULL, 0);
	tree->root = -1;
}

/* A fork bomb that stops at 200 births, which then go on counting. */
static void body_bomb(struct shared *shared, unsigned int most)
{
	start_of(shared);
	while (__sync_add_and_fetch(&shared->births, 1) < most) {
		(void)fork();
		usleep(100);
	}
	for (;;) {
		shared->count[0]++;
		usleep(1000);
	}
}

static void test_bomb(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_bomb, 200));
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, 10);
	EXPECT(!failed);
	EXPECT(tree_counts(tree, 0, 1));
}

static void *short_thread(void *shared)
{
	(void)__sync_add_and_fetch(&((struct shared *)shared)->count[0], 1);
	return NULL;
}

static void body_threads(struct shared *shared, unsigned int unused)
{
	(void)unused;
	start_of(shared);
	for (;;) {
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, short_thread, shared);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
}

static void test_threads(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_threads, 0));
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, CYCLES);
	EXPECT(!failed);
	EXPECT(tree_counts(tree, 0, 1));
}

/* posix_spawn() is a vfork. */
static void body_spawn(struct shared *shared, unsigned int unused)
{
	char *arguments[] = { "true", NULL };
	pid_t pid;

	(void)unused;
	start_of(shared);
	for (;;) {
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, NULL) != 0)
			_exit(1);
		(void)waitpid(pid, NULL, 0);
		shared->count[0]++;
	}
}

static void test_spawn(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_spawn, 0));
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, CYCLES);
	EXPECT(!failed);
	EXPECT(tree_counts(tree, 0, 1));
}

static void body_vfork(struct shared *shared, unsigned int unused)
{
	(void)unused;
	if (fork() == 0) {
		prctl(PR_SET_NAME, "vforker");
		if (vfork() == 0) {
			start_of(shared);
			for (;;)
				(void)pause();
		}
	}
	start_of(shared);
	for (;;) {
		shared->count[0]++;
		usleep(500);
	}
}

static void test_vfork(struct tree *tree)
{
	struct freeze freeze = FREEZE_NONE;
	struct err err = ERR_NONE;

	EXPECT(tree_start(tree, TARGET_TREE, body_vfork, 0));
	EXPECT(tree_wait_ready(tree, 2));
	EXPECT(freeze_seize(&tree->target, &freeze, &err) < 0);
	printf("# %s (%s)\n", err.text, err.hint);
	EXPECT(strstr(err.text, "(vforker) waits for its vfork child"));
	EXPECT(err.hint[0]);
	EXPECT(!freeze.target);
	EXPECT(tree_counts(tree, 0, 1));
}

static void *idle(void *unused)
{
	(void)unused;
	(void)pause();
	return NULL;
}

static void *execute(void *unused)
{
	(void)unused;
	(void)execl("/proc/self/exe", "freeze_churn", "--execute", NULL);
	_exit(1);
}

static struct shared *inherited; /* of --execute */

/* Another thread than the leader executes the program, time and again. */
static int run_execute(void)
{
	pthread_t thread;
	int fd = 100;

	inherited = mmap(NULL, sizeof(*inherited), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (inherited == MAP_FAILED)
		return 1;
	inherited->count[0]++;
	start_of(inherited);
	pthread_create(&thread, NULL, idle, NULL);
	pthread_create(&thread, NULL, execute, NULL);
	for (;;)
		(void)pause();
}

static void body_execute(struct shared *shared, unsigned int fd)
{
	(void)shared;
	(void)dup2((int)fd, 100);
	(void)execute(NULL);
}

static void test_execute(struct tree *tree)
{
	int fd = memfd_create("shared", 0);

	EXPECT(fd >= 0 && ftruncate(fd, sizeof(*tree->shared)) == 0);
	munmap(tree->shared, sizeof(*tree->shared));
	tree->shared = mmap(NULL, sizeof(*tree->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT(tree->shared != MAP_FAILED);
	EXPECT(tree_start(tree, TARGET_TREE, body_execute, (unsigned int)fd));
	close(fd);
	EXPECT(tree_wait_ready(tree, 1));
	cycle(tree, 2 * CYCLES);
	EXPECT(!failed);
	EXPECT(tree_counts(tree, 0, 1));
}

static void *execute_when_told(void *shared)
{
	while (!((struct shared *)shared)->numbers[0])
		usleep(300);
	return execute(NULL);
}

static void body_execute_slowly(struct shared *shared, unsigned int unused)
{
	pthread_t threads[2];

	(void)unused;
	pthread_create(&threads[0], NULL, idle, NULL);
	pthread_create(&threads[1], NULL, execute_when_told, shared);
	start_of(shared);
	for (;;)
		(void)pause();
}

static pid_t thread_of(pid_t pid, int number)
{
	char path[64];
	auto_closedir DIR *list = NULL;
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	list = opendir(path);
	while (list && (entry = readdir(list))) {
		if (atoi(entry->d_name) > 0 && number-- == 0)
			return atoi(entry->d_name);
	}
	return -1;
}

/* An execve(2) waits until somebody reaps a thread, who does not: seizing it would hang. */
static void test_execute_stuck(struct tree *tree)
{
	struct freeze freeze = FREEZE_NONE;
	struct err err = ERR_NONE;
	uint64_t start = clock_us();
	pid_t tracer;
	int r;

	EXPECT(tree_start(tree, TARGET_TREE, body_execute_slowly, 0));
	EXPECT(tree_wait_ready(tree, 1));
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, thread_of(tree->root, 1), 0, 0) == 0)
			tree->shared->numbers[0] = 1;
		(void)pause();
		_exit(0);
	}
	while (!tree->shared->numbers[0] && clock_us() < start + 2000000)
		pass_ms(1);
	pass_ms(20);
	r = freeze_seize(&tree->target, &freeze, &err);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	printf("# %s (%s)\n", err.text, err.hint);
	EXPECT(tree->shared->numbers[0]);
	EXPECT(r < 0 && !freeze.target);
	EXPECT(clock_us() - start < 20000000);
}

/* ---- signals: none is lost, none comes twice ---- */

static struct shared *flooded;

static void on_signal(int sig, siginfo_t *info, void *unused)
{
	(void)unused;
	if (sig == SIGUSR1)
		flooded->count[1]++;
	else if (info->si_value.sival_int == (int)flooded->numbers[0])
		flooded->numbers[0]++; /* in order, each once */
	else
		flooded->numbers[1]++;
}

static void body_flooded(struct shared *shared, unsigned int unused)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_RESTART };

	(void)unused;
	flooded = shared;
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaddset(&action.sa_mask, SIGRTMIN);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	start_of(shared);
	for (;;)
		shared->count[0]++;
}

/* Sends until it is told to stop; numbers[2] counts what was queued. */
static void flood(struct shared *shared, pid_t pid)
{
	while (!shared->numbers[3]) {
		union sigval value = { .sival_int = (int)shared->numbers[2] };

		(void)kill(pid, SIGUSR1);
		if (shared->numbers[2] - shared->numbers[0] < 100 &&
		    sigqueue(pid, SIGRTMIN, value) == 0)
			shared->numbers[2]++;
	}
}

static void test_flood(struct tree *tree)
{
	struct shared *shared = tree->shared;
	pid_t sender;
	bool is_still = true;

	EXPECT(tree_start(tree, TARGET_TREE, body_flooded, 0));
	EXPECT(tree_wait_ready(tree, 1));
	sender = fork();
	if (sender == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		flood(shared, tree->root);
		_exit(0);
	}
	for (int i = 0; i < 200 && !failed; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;
		struct err err = ERR_NONE;
		uint64_t before;
		uint64_t handled;

		if (freeze_seize(&tree->target, &freeze, &err) < 0) {
			fprintf(stderr, "# %s\n", err.text);
			is_still = false;
			break;
		}
		before = shared->count[0];
		handled = shared->numbers[0] + shared->count[1];
		if (i % 20 == 0)
			pass_ms(5);
		is_still = is_still && before == shared->count[0] &&
			   handled == shared->numbers[0] + shared->count[1];
		freeze_free(&freeze);
		pass_ms(i % 2);
	}
	shared->numbers[3] = 1;
	waitpid(sender, NULL, 0);
	for (int i = 0; i < 2000 && shared->numbers[0] + shared->numbers[1] < shared->numbers[2];
	     i++)
		pass_ms(1);
	printf("# %" PRIu64 " queued, %" PRIu64 " in order, %" PRIu64 " not\n", shared->numbers[2],
	       shared->numbers[0], shared->numbers[1]);
	EXPECT(is_still);
	EXPECT(shared->numbers[1] == 0);
	EXPECT(shared->numbers[2] > 0 && shared->numbers[0] == shared->numbers[2]);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "hopping forks", test_hop },
		{ "hopping forks in a container", test_hop_container },
		{ "fork bomb", test_bomb },
		{ "short threads", test_threads },
		{ "spawned programs", test_spawn },
		{ "vfork that waits", test_vfork },
		{ "executed by a thread", test_execute },
		{ "execution that does not get on", test_execute_stuck },
		{ "signal flood", test_flood },
	};

	if (argc > 1 && strcmp(argv[1], "--execute") == 0)
		return run_execute();
	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
