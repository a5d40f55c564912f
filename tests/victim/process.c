/* identity: what a process is called, was started with and works in. */
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#include "proc.h"

static const char *const keys[] = { "Name:", "Umask:", NULL };

static void expect_same_bytes(const char *path, const char *before, size_t size)
{
	size_t now;
	char *after = proc_text(path, &now);

	if (now != size || memcmp(before, after, size) != 0)
		victim_fail("%s changed", path);
}

int main(int argc, char **argv)
{
	const char *const paths[] = { "/proc/self/cmdline", "/proc/self/environ",
				      "/proc/self/auxv" };
	char *texts[3];
	size_t sizes[3];
	char *exe;
	char *cwd;
	char *status;
	struct stat before;
	struct stat after;

	(void)argv;
	if (argc == 1) {
		EXPECT(personality(ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT) >= 0);
		(void)execl("/proc/self/exe", "a name of its own", "two words", "", "last", NULL);
		EXPECT(!"executed");
	}
	EXPECT(chdir(victim_dir()) == 0 && mkdir("a b\n", 0755) == 0 && chdir("a b\n") == 0);
	(void)umask(0123);
	EXPECT(prctl(PR_SET_NAME, ") R 1 (\n") == 0);
	for (int i = 0; i < 3; i++)
		texts[i] = proc_text(paths[i], &sizes[i]);
	exe = proc_link("/proc/self/exe");
	cwd = proc_link("/proc/self/cwd");
	status = proc_lines("/proc/self/status", keys);
	EXPECT(stat(".", &before) == 0);

	wait_for_restore();

	for (int i = 0; i < 3; i++)
		expect_same_bytes(paths[i], texts[i], sizes[i]);
	expect_same_text("exe", exe, proc_link("/proc/self/exe"));
	expect_same_text("cwd", cwd, proc_link("/proc/self/cwd"));
	expect_same_text("status", status, proc_lines("/proc/self/status", keys));
	EXPECT(stat(".", &after) == 0 && after.st_ino == before.st_ino);
	EXPECT(personality(0xffffffff) == (ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT));
	EXPECT(getauxval(AT_PAGESZ) == 4096);
	victim_done();
}
