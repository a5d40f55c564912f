/* What the tests of freezing share: a tree of tasks that count in shared memory, in a cgroup of
 * each form where one can be made, and the target that names it. */
#pragma once

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "target/target.h"

#define COUNTERS 4096

struct shared {
	volatile uint64_t count[COUNTERS];
	volatile uint32_t ready;
	volatile uint32_t births; /* fork bomb */
	volatile uint32_t must_end;
	volatile uint64_t numbers[8];
};

struct tree {
	const char *mode;
	struct shared *shared;
	struct target target;
	struct cgroup_own own;
	pid_t root;
};

static const char *failed; /* the reason of the running test */

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			failed = #condition;                                                       \
			fprintf(stderr, "# line %d: %s\n", __LINE__, failed);                      \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define EXPECT_OK(call)                                                                            \
	do {                                                                                       \
		struct err err = ERR_NONE;                                                         \
		if ((call) < 0) {                                                                  \
			failed = #call;                                                            \
			fprintf(stderr, "# line %d: %s: %s (%s)\n", __LINE__, failed, err.text,    \
				err.hint);                                                         \
			return;                                                                    \
		}                                                                                  \
	} while (0)

/* Lets others run for a while. */
static inline void pass_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

static inline void tree_make(struct tree *tree)
{
	tree->shared = mmap(NULL, sizeof(*tree->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tree->target = TARGET_NONE;
	tree->root = -1;
}

/* The cgroup that a target of this mode uses; false if there can be none. */
static inline bool tree_choose_cgroup(struct tree *tree)
{
	bool is_v1 = strcmp(tree->mode, "v1") == 0;
	bool is_v2 = strcmp(tree->mode, "v2") == 0;

	if (!is_v1 && !is_v2)
		return true;
	tree->target.cgroup = is_v1 ? tree->own.v1 : tree->own.v2;
	tree->target.cgroup_path = is_v1 ? tree->own.v1_path : tree->own.v2_path;
	tree->target.freezer = is_v1 ? FREEZER_V1 : FREEZER_V2;
	return tree->target.cgroup >= 0;
}

static inline bool tree_put_root(const struct tree *tree, struct err *err)
{
	const int cgroups[] = { tree->own.v1, tree->own.v2 };
	auto_free char *pid = mem_printf("%d", tree->root);

	for (size_t i = 0; i < 2; i++) {
		if (cgroups[i] >= 0 && cgroup_file_write(cgroups[i], "cgroup.procs", pid, err) < 0)
			return false;
	}
	return true;
}

/* Starts `body` as the root of the tree; in a pid namespace of its own for `form` container. */
static inline bool tree_start(struct tree *tree, enum target_form form,
			      void (*body)(struct shared *, unsigned int), unsigned int argument)
{
	struct err err = ERR_NONE;
	struct procfs_stat stat;
	struct buf text = BUF_EMPTY;
	int gate[2];
	int proc = -1;
	long flags = form == TARGET_CONTAINER ? CLONE_NEWUSER | CLONE_NEWPID : 0;

	if (pipe(gate) < 0)
		abort();
	fflush(NULL);
	tree->root = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (tree->root == 0) {
		char c;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* Whatever dies in the tree is reaped at once. */
		(void)signal(SIGCHLD, SIG_IGN);
		close(gate[1]);
		(void)!read(gate[0], &c, 1);
		body(tree->shared, argument);
		_exit(0);
	}
	if (!tree_put_root(tree, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		return false;
	}
	close(gate[0]);
	close(gate[1]);
	if (procfs_open_pid(tree->root, &proc, &err) < 0 ||
	    procfs_read(proc, "stat", &text, &err) < 0 ||
	    procfs_stat_parse(text.data, &stat, &err) < 0)
		return false;
	close(proc);
	buf_free(&text);
	tree->target.name = "test";
	tree->target.form = form;
	tree->target.init = tree->root;
	tree->target.start_time = stat.start_time;
	tree->target.pidfd = (int)syscall(SYS_pidfd_open, tree->root, 0);
	return tree->target.pidfd >= 0;
}

/* Waits until so many tasks said that they are ready. */
static inline bool tree_wait_ready(const struct tree *tree, uint32_t count)
{
	uint64_t deadline = clock_us() + 10000000;

	while (tree->shared->ready < count && clock_us() < deadline)
		pass_ms(1);
	return tree->shared->ready >= count;
}

static inline bool tree_counts(const struct tree *tree, uint32_t first, uint32_t count)
{
	uint64_t before[COUNTERS];
	uint64_t deadline = clock_us() + 5000000;
	uint32_t moved = 0;

	memcpy(before, (const void *)tree->shared->count, sizeof(before));
	while (moved < count && clock_us() < deadline) {
		pass_ms(1);
		moved = 0;
		for (uint32_t i = first; i < first + count; i++)
			moved += tree->shared->count[i] != before[i];
	}
	return moved == count;
}

static inline bool tree_stands_still(const struct tree *tree)
{
	struct shared *before = malloc(sizeof(*before));
	bool is_same;

	memcpy(before, (const void *)tree->shared, sizeof(*before));
	pass_ms(20);
	is_same = memcmp(before, (const void *)tree->shared, sizeof(*before)) == 0;
	free(before);
	return is_same;
}

/* One round of killing. Pids may be used again at any time: only what is listed before and after
 * it was pinned is ours. */
static inline size_t kill_descendants(const struct tree *tree)
{
	struct err err = ERR_NONE;
	pid_t *pids = NULL;
	pid_t *again = NULL;
	int *pidfds;
	size_t count = 0;
	size_t count_again = 0;

	if (target_tasks(&tree->target, &pids, &count, &err) < 0)
		return 0;
	pidfds = calloc(count + 1, sizeof(*pidfds));
	for (size_t i = 0; i < count; i++)
		pidfds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
	if (target_tasks(&tree->target, &again, &count_again, &err) < 0)
		count_again = 0;
	for (size_t i = 0, k = 0; i < count; i++) {
		while (k < count_again && again[k] < pids[i])
			k++;
		if (k < count_again && again[k] == pids[i] && pids[i] != tree->root &&
		    pidfds[i] >= 0)
			(void)syscall(SYS_pidfd_send_signal, pidfds[i], SIGKILL, NULL, 0);
		if (pidfds[i] >= 0)
			close(pidfds[i]);
	}
	free(pidfds);
	free(again);
	free(pids);
	return count;
}

/* Kills what is left of it, the root last: descendants of a dead one are nobody's. */
static inline void tree_end(struct tree *tree)
{
	struct err err = ERR_NONE;

	tree->shared->must_end = 1;
	if (tree->root > 0 && tree->target.form == TARGET_TREE) {
		/* A look can miss one that has just forked. */
		for (int i = 0, alone = 0; i < 100 && alone < 3; i++) {
			alone = kill_descendants(tree) > 1 ? 0 : alone + 1;
			pass_ms(1);
		}
	}
	if (tree->root > 0) {
		(void)kill(tree->root, SIGKILL);
		/* After a failure, threads may still be traced by us. */
		for (pid_t pid = 0; pid >= 0 && pid != tree->root;)
			pid = waitpid(-1, NULL, __WALL);
	}
	if (tree->target.pidfd >= 0)
		close(tree->target.pidfd);
	if (cgroup_own_remove(&tree->own, &err) < 0)
		fprintf(stderr, "# %s\n", err.text);
	cgroup_own_free(&tree->own);
	munmap(tree->shared, sizeof(*tree->shared));
}

struct test {
	const char *name;
	void (*run)(struct tree *tree);
};

static inline const char *const *test_modes(void)
{
	static const char *const modes[] = { "ptrace", "v1", "v2", NULL };

	return modes;
}

/* Runs a test in one mode; 1 if it failed. */
static inline int run_test(const struct test *test, const char *mode)
{
	struct tree tree = { .mode = mode, .own = CGROUP_OWN_NONE };
	struct err err = ERR_NONE;
	char name[64];
	uint64_t start = clock_us();

	tree_make(&tree);
	snprintf(name, sizeof(name), "freezetest-%d", getpid());
	if (strcmp(mode, "ptrace") != 0 && cgroup_own_create(name, &tree.own, &err) < 0)
		fprintf(stderr, "# %s\n", err.text);
	failed = NULL;
	if (!tree_choose_cgroup(&tree)) {
		tree_end(&tree);
		printf("ok %s (%s) # skipped: no such cgroup\n", test->name, mode);
		return 0;
	}
	test->run(&tree);
	tree_end(&tree);
	printf("%s %s (%s, %" PRIu64 " ms)%s%s\n", failed ? "not ok" : "ok", test->name, mode,
	       (clock_us() - start) / 1000, failed ? ": " : "", failed ? failed : "");
	fflush(stdout);
	return failed != NULL;
}

/* Arguments: part of a test's name, a mode; default all. Holders have a registry of the tests' own.
 */
static inline int run_tests(const struct test *tests, size_t count, int argc, char **argv)
{
	char dir[] = "/tmp/unit-freeze-XXXXXX";
	auto_free char *sockets = NULL;
	int failures = 0;

	if (!mkdtemp(dir) || setenv("XDG_RUNTIME_DIR", dir, 1) < 0)
		return 1;
	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && !strstr(tests[i].name, argv[1]))
			continue;
		for (const char *const *mode = test_modes(); *mode; mode++) {
			if (argc <= 2 || strcmp(argv[2], *mode) == 0)
				failures += run_test(&tests[i], *mode);
		}
	}
	sockets = mem_printf("%s/ctckpt", dir);
	(void)rmdir(sockets);
	if (rmdir(dir) < 0)
		fprintf(stderr, "# %s is not empty\n", dir);
	return failures != 0;
}
