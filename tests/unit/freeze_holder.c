/* The holder: keeps a target frozen without a cgroup, and works on request. */
#include <fcntl.h>
#include <sys/stat.h>

#include "freeze/holder.h"
#include "freeze_tree.h"

static void body_pair(struct shared *shared, unsigned int unused)
{
	unsigned int number = fork() == 0;

	(void)unused;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)__sync_add_and_fetch(&shared->ready, 1);
	for (;;) {
		shared->count[number]++;
		usleep(200);
	}
}

/* Writes what it was sent to the descriptor it was sent, and answers at length. */
static int serve(struct freeze *freeze, const void *request, size_t size, const int *fds,
		 size_t fd_count, struct buf *reply, struct err *err)
{
	if (fd_count != 1)
		return err_set(err, ERR_FAILED, "%zu descriptors", fd_count);
	if (size == 4 && memcmp(request, "kill", 4) == 0)
		return freeze_kill(freeze, err);
	if (write(fds[0], request, size) != (ssize_t)size)
		return err_set(err, -errno, "write");
	for (int i = 0; i < 50000; i++)
		buf_printf(reply, "%05d", i);
	return freeze->thread_count == 2 ? 0 : err_set(err, ERR_FAILED, "not 2 threads");
}

static int ask(const struct tree *tree, enum holder_verb verb, const char *text, int fd,
	       struct buf *reply, struct err *err)
{
	auto_close int connection = -1;
	int r = holder_connect(&tree->target, &connection, err);

	return r < 0 ? r
		     : holder_request(connection, verb, text, text ? strlen(text) : 0, &fd, fd >= 0,
				      reply, err);
}

static bool is_gone(const struct tree *tree)
{
	struct err err = ERR_NONE;
	int r = 0;

	for (int i = 0; i < 2000; i++) {
		r = ask(tree, HOLDER_STATUS, NULL, -1, NULL, &err);
		if (r == -ENOENT)
			return true;
		pass_ms(1);
	}
	return false;
}

static void start(struct tree *tree)
{
	struct holder_status status;

	EXPECT(tree_start(tree, TARGET_TREE, body_pair, 0));
	EXPECT(tree_wait_ready(tree, 2));
	EXPECT(is_gone(tree));
	EXPECT_OK(holder_start(&tree->target, serve, &status, &err));
	EXPECT(status.tasks == 2 && status.threads == 2);
	EXPECT(tree_stands_still(tree));
}

static void test_status(struct tree *tree)
{
	auto_buf struct buf reply = BUF_EMPTY;
	struct holder_status status;

	start(tree);
	EXPECT(!failed);
	for (int i = 0; i < 3; i++) {
		EXPECT_OK(ask(tree, HOLDER_STATUS, NULL, -1, &reply, &err));
		EXPECT(reply.size == sizeof(status));
		memcpy(&status, reply.data, sizeof(status));
		EXPECT(status.tasks == 2 && status.threads == 2);
	}
	EXPECT(tree_stands_still(tree));
	EXPECT_OK(ask(tree, HOLDER_THAW, NULL, -1, &reply, &err));
	EXPECT(is_gone(tree));
	EXPECT(tree_counts(tree, 0, 2));
}

static void test_run(struct tree *tree)
{
	auto_buf struct buf reply = BUF_EMPTY;
	struct err err = ERR_NONE;
	char text[8] = "";
	int ends[2];

	start(tree);
	EXPECT(!failed);
	EXPECT(pipe2(ends, O_CLOEXEC) == 0);
	EXPECT(ask(tree, HOLDER_RUN, "hello", ends[1], &reply, &err) == 0);
	EXPECT(reply.size == 250000 && memcmp(reply.data + 249995, "49999", 5) == 0);
	EXPECT(read(ends[0], text, sizeof(text)) == 5 && strcmp(text, "hello") == 0);
	EXPECT(ask(tree, HOLDER_RUN, "hello", -1, &reply, &err) == ERR_FAILED);
	EXPECT(strcmp(err.text, "0 descriptors") == 0);
	EXPECT(tree_stands_still(tree));
	EXPECT(ask(tree, HOLDER_RUN, "kill", ends[1], &reply, &err) == 0);
	EXPECT(waitpid(tree->root, NULL, 0) == tree->root);
	tree->root = -1;
	close(ends[1]);
	/* The holder kept no copy. */
	EXPECT(read(ends[0], text, sizeof(text)) == 0);
	close(ends[0]);
	EXPECT(is_gone(tree));
}

static void test_leaves_caller(struct tree *tree)
{
	struct pollfd end = { .events = POLLIN };
	struct holder_status status;
	int ends[2];

	EXPECT(tree_start(tree, TARGET_TREE, body_pair, 0));
	EXPECT(tree_wait_ready(tree, 2));
	EXPECT(pipe(ends) == 0);
	EXPECT_OK(holder_start(&tree->target, NULL, &status, &err));
	close(ends[1]);
	end.fd = ends[0];
	EXPECT(poll(&end, 1, 2000) == 1 && (end.revents & POLLHUP));
	close(ends[0]);
	EXPECT_OK(ask(tree, HOLDER_THAW, NULL, -1, NULL, &err));
	EXPECT(tree_counts(tree, 0, 2));
}

static void test_target_dies(struct tree *tree)
{
	start(tree);
	EXPECT(!failed);
	EXPECT(kill(tree->root, SIGKILL) == 0);
	EXPECT(waitpid(tree->root, NULL, 0) == tree->root);
	tree->root = -1;
	EXPECT(is_gone(tree));
}

/* A second one can't hold the same tasks, and does not disturb the first. */
static void test_second(struct tree *tree)
{
	struct holder_status status;
	struct err err = ERR_NONE;

	start(tree);
	EXPECT(!failed);
	EXPECT(holder_start(&tree->target, serve, &status, &err) < 0);
	EXPECT(strstr(err.text, "is traced by"));
	EXPECT(ask(tree, HOLDER_THAW, NULL, -1, NULL, &err) == 0);
	EXPECT(tree_counts(tree, 0, 2));
}

static void test_holder_dies(struct tree *tree)
{
	struct holder_status next;
	struct procfs_status status;
	struct err failure = ERR_NONE;
	auto_buf struct buf text = BUF_EMPTY;
	int proc = -1;
	pid_t holder;

	start(tree);
	EXPECT(!failed);
	EXPECT(procfs_open_pid(tree->root, &proc, &failure) == 0);
	EXPECT(procfs_read(proc, "status", &text, &failure) == 0);
	EXPECT(procfs_status_parse(text.data, &status, &failure) == 0);
	close(proc);
	holder = status.tracer;
	procfs_status_free(&status);
	EXPECT(holder > 0 && kill(holder, SIGKILL) == 0);
	EXPECT(tree_counts(tree, 0, 2));
	EXPECT(is_gone(tree));
	/* What it left behind does not keep the next one from its place. */
	EXPECT_OK(holder_start(&tree->target, NULL, &next, &err));
	EXPECT_OK(ask(tree, HOLDER_THAW, NULL, -1, NULL, &err));
	EXPECT(tree_counts(tree, 0, 2));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{ "holder: status, thaw", test_status },
		{ "holder: work on request", test_run },
		{ "holder: keeps nothing of its caller", test_leaves_caller },
		{ "holder: ends with its target", test_target_dies },
		{ "holder: a second one", test_second },
		{ "holder: is killed", test_holder_dies },
	};
	char *only[] = { argv[0], argc > 1 ? argv[1] : "", "ptrace", NULL };

	return run_tests(tests, sizeof(tests) / sizeof(tests[0]), 3, only);
}
