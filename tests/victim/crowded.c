/* crowded: as many mappings as a process may have, almost, and no descriptor left to open. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "victim.h"

enum { PAGE = 4096, MAPPINGS = 60000, LARGE = 16 << 20 };

/* Neighbours differ, and so stay apart. */
static char *make_mappings(void)
{
	char *start =
	    mmap(NULL, (size_t)MAPPINGS * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(start != MAP_FAILED);
	for (size_t i = 0; i < MAPPINGS; i += 2)
		EXPECT(mprotect(start + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	for (size_t i = 0; i < MAPPINGS; i += 1000)
		start[i * PAGE] = 'x';
	return start;
}

static int fill_descriptors(void)
{
	struct rlimit limit = { 64, 64 };
	int last = -1;
	int fd;

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fd = dup(STDOUT_FILENO)) >= 0)
		last = fd;
	EXPECT(last == 63);
	return last;
}

/* A child has room for the file that says so. */
static void say_ready(int spare)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		(void)close(spare);
		victim_write("ready", "");
		_exit(0);
	}
	EXPECT(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *start = make_mappings();
	int last;

	EXPECT(large != MAP_FAILED);
	memset(large, 'y', LARGE);
	last = fill_descriptors();
	say_ready(last);
	victim_wait_file("go");
	EXPECT(dup(STDOUT_FILENO) < 0 && errno == EMFILE);
	EXPECT(close(last) == 0);
	for (size_t i = 0; i < MAPPINGS; i += 1000)
		EXPECT(start[i * PAGE] == 'x' && start[(i + 1) * PAGE] == 0);
	EXPECT(large[0] == 'y' && memcmp(large, large + 1, LARGE - 1) == 0);
	victim_done();
}
