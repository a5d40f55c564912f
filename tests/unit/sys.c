/* Paths that are looked up within a scope, while others move directories. */
#include "core/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "unit.h"

enum { LOOKS = 50000 };

static const char path_around[] = "a/../b/../a/../b/../a/../b/../a/../b";

static _Noreturn void move_about(int dir)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		(void)renameat(dir, "a/moved", dir, "b/moved");
		(void)renameat(dir, "b/moved", dir, "a/moved");
	}
}

static void remove_all(int dir, const char *path)
{
	static const char *const names[] = { "a/moved", "b/moved", "a", "b" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlinkat(dir, names[i], AT_REMOVEDIR);
	(void)rmdir(path);
}

/* The kernel alone gives up now and then. */
static void a_scope_while_directories_move(struct unit *unit)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	char path[] = "/tmp/unit-sys-XXXXXX";
	auto_close int dir = mkdtemp(path) ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int given_up = 0;
	int failed = 0;
	pid_t child;

	EXPECT(unit, mkdirat(dir, "a", 0700) == 0 && mkdirat(dir, "b", 0700) == 0);
	EXPECT(unit, mkdirat(dir, "a/moved", 0700) == 0);
	child = fork();
	if (child == 0)
		move_about(dir);
	for (int i = 0; i < LOOKS; i++) {
		auto_close int alone =
		    (int)syscall(SYS_openat2, dir, path_around, &how, sizeof(how));
		auto_close int fd = sys_openat2(dir, path_around, &how);

		given_up += alone < 0 && errno == EAGAIN;
		failed += fd < 0;
	}
	EXPECT(unit, failed == 0);
	printf("# the kernel gave up %d times of %d\n", given_up, LOOKS);
	(void)kill(child, SIGKILL);
	EXPECT(unit, waitpid(child, NULL, 0) == child);
	remove_all(dir, path);
}

static void a_way_out_is_none(struct unit *unit)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
	auto_close int dir = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	EXPECT(unit, sys_openat2(dir, "../etc", &how) == -1 && errno == EXDEV);
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(a_scope_while_directories_move),
		UNIT_CASE(a_way_out_is_none),
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
