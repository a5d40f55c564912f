/* mapfile: the executable was deleted, as an upgrade does, or never had a name; it can still be
 * executed. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "victim.h"

static void copy_to(int copy)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat stat;

	EXPECT(self >= 0 && copy >= 0 && fstat(self, &stat) == 0);
	EXPECT(sendfile(copy, self, NULL, (size_t)stat.st_size) == stat.st_size);
}

static void execute(const char *path, const char *how)
{
	(void)execl(path, "upgraded", how, "copy", (char *)NULL);
	EXPECT(!"execl");
}

static void execute_memfd(void)
{
	int fd = memfd_create("program", 0);
	char path[64];

	copy_to(fd);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	execute(path, "memfd");
}

static void execute_file(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0700);

	copy_to(fd);
	EXPECT(close(fd) == 0);
	execute(path, "deleted");
}

static int execute_again(void)
{
	pid_t child = fork();
	int status;

	EXPECT(child >= 0);
	if (child == 0) {
		(void)execl("/proc/self/exe", "upgraded", "in", "a", "child", (char *)NULL);
		_exit(1);
	}
	EXPECT(waitpid(child, &status, 0) == child);
	return status;
}

/* Has the same executable. */
static pid_t make_twin(void)
{
	pid_t twin = fork();

	EXPECT(twin >= 0);
	while (twin == 0)
		(void)pause();
	return twin;
}

static void expect_same(pid_t twin)
{
	struct stat own, other;
	char path[64];
	int status;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", twin);
	EXPECT(stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0);
	EXPECT(own.st_dev == other.st_dev && own.st_ino == other.st_ino);
	EXPECT(kill(twin, SIGKILL) == 0 && waitpid(twin, &status, 0) == twin);
}

int main(int argc, char **argv)
{
	bool is_memfd = argc > 1 && strcmp(argv[1], "memfd") == 0;
	char path[PATH_MAX];
	pid_t twin;

	if (argc == 4)
		return 42;
	(void)snprintf(path, sizeof(path), "%s/program", victim_dir());
	if (argc == 2 && is_memfd)
		execute_memfd();
	if (argc == 2)
		execute_file(path);
	if (!is_memfd)
		EXPECT(unlink(path) == 0);
	twin = make_twin();
	wait_for_restore();
	expect_same(twin);
	EXPECT(execute_again() == 42 << 8);
	victim_done();
}
