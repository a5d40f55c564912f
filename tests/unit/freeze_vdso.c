/* Freezing tasks that ask for the time again and again: none is held in the vdso. */
#include <sys/ptrace.h>
#include <sys/user.h>
#include <time.h>

#include "freeze_tree.h"

#define PROCESSES 3
#define ROUNDS	  8

static _Noreturn void ask_forever(volatile uint64_t *counter)
{
	struct timespec now;

	for (;;) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		(*counter)++;
	}
}

static void *ask(void *argument)
{
	ask_forever(argument);
}

static void ask_in_two(struct shared *shared, unsigned int first)
{
	pthread_t thread;

	(void)pthread_create(&thread, NULL, ask, (void *)&shared->count[first]);
	(void)__sync_add_and_fetch(&shared->ready, 1);
	ask_forever(&shared->count[first + 1]);
}

static void body_ask(struct shared *shared, unsigned int processes)
{
	for (unsigned int i = 1; i < processes; i++) {
		if (fork() == 0)
			ask_in_two(shared, 2 * i);
	}
	ask_in_two(shared, 0);
}

static bool is_in_vdso(const struct frozen_thread *thread)
{
	struct user_regs_struct regs;
	uint64_t start = 0;
	uint64_t end = 0;

	return ptrace(PTRACE_GETREGS, thread->tid, 0, &regs) < 0 ||
	       !procfs_find_vdso(thread->pid, &start, &end) ||
	       (regs.rip >= start && regs.rip < end);
}

static void test_vdso(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_ask, PROCESSES));
	EXPECT(tree_wait_ready(tree, PROCESSES));
	for (int i = 0; i < ROUNDS; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT(tree_counts(tree, 0, 2 * PROCESSES));
		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(freeze.thread_count == 2 * PROCESSES);
		EXPECT(tree_stands_still(tree));
		for (size_t k = 0; k < freeze.thread_count; k++)
			EXPECT(!is_in_vdso(&freeze.threads[k]));
		printf("# froze in %" PRIu64 " us\n", freeze.freezing_time);
		EXPECT_OK(freeze_release(&freeze, false, &err));
	}
}

/* Children come while those that were in the vdso run. */
static void body_fork(struct shared *shared, unsigned int unused)
{
	struct timespec now;

	(void)unused;
	shared->ready = 1;
	for (;;) {
		for (int i = 0; i < 1000; i++)
			(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (fork() == 0) {
			for (int i = 0; i < 1000; i++)
				(void)clock_gettime(CLOCK_MONOTONIC, &now);
			_exit(0);
		}
		shared->count[0]++;
	}
}

static void test_children(struct tree *tree)
{
	EXPECT(tree_start(tree, TARGET_TREE, body_fork, 0));
	EXPECT(tree_wait_ready(tree, 1));
	for (int i = 0; i < ROUNDS; i++) {
		auto_freeze struct freeze freeze = FREEZE_NONE;

		EXPECT(tree_counts(tree, 0, 1));
		EXPECT_OK(freeze_seize(&tree->target, &freeze, &err));
		EXPECT(tree_stands_still(tree));
		for (size_t k = 0; k < freeze.thread_count; k++)
			EXPECT(freeze.threads[k].is_zombie || !is_in_vdso(&freeze.threads[k]));
		EXPECT_OK(freeze_release(&freeze, false, &err));
	}
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "out of the vdso", test_vdso },
		{ "out of the vdso, with children", test_children },
	};

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
