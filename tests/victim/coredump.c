/* coredump: which mappings a core dump holds: each process its own. */
#include <sys/wait.h>

#include "victim.h"

static unsigned int read_filter(void)
{
	FILE *file = fopen("/proc/self/coredump_filter", "re");
	unsigned int filter;

	EXPECT(file && fscanf(file, "%x", &filter) == 1);
	(void)fclose(file);
	return filter;
}

static void write_filter(unsigned int filter)
{
	FILE *file = fopen("/proc/self/coredump_filter", "we");

	EXPECT(file && fprintf(file, "%#x", filter) > 0 && fclose(file) == 0);
}

int main(void)
{
	unsigned int before = read_filter();
	int ready[2];
	pid_t child;
	char byte;
	int status;

	EXPECT(pipe(ready) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		write_filter(0x7);
		EXPECT(write(ready[1], "", 1) == 1);
		victim_wait_file("go");
		_exit(read_filter() == 0x7 ? 0 : 1);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	EXPECT(read_filter() == before);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
