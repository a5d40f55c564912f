/* ctckpt_run(): commands in containers, with the real registry; ctckpt_check(). */
#include "ctckpt/ctckpt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "container/idmap.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "ctckpt/check.h"
#include "target/target.h"
#include "unit.h"

#define COMMAND(word) ((char *const[]){ (char *)(word), NULL })
#define SHELL(text)   ((char *const[]){ (char *)"sh", (char *)"-c", (char *)(text), NULL })

static size_t registered(void)
{
	struct registry_entry *entries = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	if (registry_list(&entries, &count, &err) < 0)
		return (size_t)-1;
	registry_list_free(entries, count);
	return count;
}

static void await(bool (*is_true)(const void *), const void *argument)
{
	for (int i = 0; i < 500 && !is_true(argument); i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static int run(struct ctckpt_run_options options, struct ctckpt_run_result *result, struct err *err)
{
	return ctckpt_run(&options, result, err);
}

static void test_status(struct unit *unit)
{
	struct ctckpt_run_result result = { 0 };
	struct err err = ERR_NONE;

	EXPECT(unit, run((struct ctckpt_run_options){ .command = SHELL("exit $(($$ + 6))") },
			 &result, &err) == 0);
	EXPECT(unit, WIFEXITED(result.status) && WEXITSTATUS(result.status) == 7);
	/* The kernel protects pid 1 from itself. */
	EXPECT(unit, run((struct ctckpt_run_options){ .command = SHELL("kill -9 $$; exit 3") },
			 &result, &err) == 0);
	EXPECT(unit, WIFEXITED(result.status) && WEXITSTATUS(result.status) == 3);
	EXPECT(unit, registered() == 0);
}

static void test_no_command(struct unit *unit)
{
	struct ctckpt_run_result result;
	struct err err = ERR_NONE;

	EXPECT(unit, run((struct ctckpt_run_options){ .command = COMMAND("no-such-cmd") }, &result,
			 &err) == ERR_FAILED);
	EXPECT_TEXT(unit, err.text, "run no-such-cmd: No such file or directory");
	EXPECT(unit, registered() == 0);
}

static void test_no_name(struct unit *unit)
{
	struct ctckpt_run_result result;
	struct err err = ERR_NONE;

	EXPECT(unit, run((struct ctckpt_run_options){ .name = "../x", .command = SHELL(":") },
			 &result, &err) == ERR_USAGE);
}

/* Descriptors, signals and directory as a command may expect them. */
static void test_inheritance(struct unit *unit)
{
	static const char script[] =
	    "while read -r key value; do case $key in SigIgn:|SigBlk:) "
	    "test $((0x$value)) = 0 || exit 2;; esac; done < /proc/$$/status; "
	    "test ! -e /proc/$$/fd/77 && test \"$(pwd)\" = / && test \"$MARK\" = x";
	struct ctckpt_run_result result = { .status = -1 };
	struct err err = ERR_NONE;
	auto_close int old = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	sigset_t set;

	EXPECT(unit, dup2(STDOUT_FILENO, 77) == 77 && chdir("/") == 0);
	(void)setenv("MARK", "x", 1);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(unit,
	       run((struct ctckpt_run_options){ .command = SHELL(script) }, &result, &err) == 0);
	EXPECT(unit, result.status == 0);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)signal(SIGUSR1, SIG_DFL);
	(void)close(77);
	EXPECT(unit, fchdir(old) == 0);
}

static bool file_is(const char *path, const char *wanted)
{
	char text[256] = "";
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0 && strcmp(text, wanted) == 0;
}

static bool log_is(const void *wanted)
{
	return file_is("log", wanted);
}

static bool file_exists(const void *path)
{
	return access(path, F_OK) == 0;
}

static void test_detached(struct unit *unit)
{
	const struct ctckpt_run_options options = {
		.name = "unit-detached",
		.command = SHELL("echo out; echo err >&2; read x; echo \"got $x\"; sleep 20"),
		.detach = true,
		.log = "log",
		.pid_file = "pid",
	};
	struct ctckpt_run_result result = { 0 };
	struct ctckpt_run_result second;
	struct err err = ERR_NONE;
	auto_free char *pid = NULL;
	int status = 0;

	if (!EXPECT(unit, ctckpt_run(&options, &result, &err) == 0 && result.init > 0))
		return;
	pid = mem_printf("%d\n", result.init);
	EXPECT_TEXT(unit, result.name, "unit-detached");
	EXPECT(unit, file_is("pid", pid));
	EXPECT(unit, registered() == 1);
	/* The name is taken, by the registry or by the cgroup; nothing is harmed. */
	EXPECT(unit, ctckpt_run(&options, &second, &err) < 0);
	EXPECT(unit, registered() == 1 && kill(result.init, 0) == 0);
	await(log_is, "out\nerr\ngot \n");
	EXPECT(unit, file_is("log", "out\nerr\ngot \n"));
	EXPECT(unit,
	       kill(result.init, SIGKILL) == 0 && waitpid(result.init, &status, 0) == result.init);
	EXPECT(unit, registered() == 0);
	(void)unlink("log");
	(void)unlink("pid");
}

/* A signal of the terminal ends a command that has no handler for it. */
static void test_signal(struct unit *unit)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		const struct ctckpt_run_options options = {
			.pid_file = "pid",
			.command = (char *const[]){ (char *)"sleep", (char *)"20", NULL },
		};
		struct ctckpt_run_result result = { 0 };
		struct err err = ERR_NONE;

		(void)ctckpt_run(&options, &result, &err);
		_exit(result.status == SIGKILL ? 5 : 6);
	}
	if (!EXPECT(unit, pid > 0))
		return;
	await(file_exists, "pid");
	(void)kill(pid, SIGINT);
	EXPECT(unit, waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
	EXPECT(unit, access("pid", F_OK) < 0 && registered() == 0);
}

static void test_idmap(struct unit *unit)
{
	struct err err = ERR_NONE;
	struct id_map *map = NULL;
	size_t count = 0;

	EXPECT(unit, idmap_parse_identity("         0     100000      65536\n 70000 5 1\n", &map,
					  &count, &err) == 0);
	EXPECT(unit, count == 2 && map[0].inside == 0 && map[0].outside == 0 &&
			 map[0].count == 65536 && map[1].inside == 70000 &&
			 map[1].outside == 70000 && map[1].count == 1);
	free(map);
	map = NULL;
	EXPECT(unit, idmap_parse_identity("0 0\n", &map, &count, &err) < 0);
	EXPECT(unit, idmap_parse_identity("0 0 4294967296\n", &map, &count, &err) < 0);
	EXPECT(unit, idmap_parse_identity("0 0 1", &map, &count, &err) < 0 && !map);
}

static void test_check(struct unit *unit)
{
	struct check_item *items = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	EXPECT(unit, ctckpt_check(&items, &count, &err) == 0 && count > 20);
	for (size_t i = 0; i < count; i++) {
		if (!EXPECT(unit, items[i].is_ok || !items[i].is_required))
			(void)printf("# %s: %s\n", items[i].name, items[i].why);
		EXPECT(unit, items[i].is_ok || items[i].why);
	}
	ctckpt_check_free(items, count);
	EXPECT(unit, waitpid(-1, NULL, WNOHANG) < 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(test_status),	     UNIT_CASE(test_no_command), UNIT_CASE(test_no_name),
	UNIT_CASE(test_inheritance), UNIT_CASE(test_detached),	 UNIT_CASE(test_signal),
	UNIT_CASE(test_idmap),	     UNIT_CASE(test_check),
};

int main(void)
{
	char path[] = "/tmp/ctckpt-unit-XXXXXX";
	int status;

	if (!mkdtemp(path) || setenv("XDG_RUNTIME_DIR", path, 1) < 0 || chdir(path) < 0)
		return 1;
	(void)setenv("PATH", "/usr/bin:/bin", 1);
	/* A background job of a shell ignores it. */
	(void)signal(SIGINT, SIG_DFL);
	status = UNIT_RUN(cases);
	if (rmdir("ctckpt") < 0 || chdir("/") < 0 || rmdir(path) < 0)
		perror(path);
	return status;
}
