/* coredump: which mappings a core dump holds: each process its own. With an argument, it becomes
 * that user first. */
#include <pthread.h>
#include <sys/prctl.h>
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

static void *idle(void *argument)
{
	victim_wait_file("go");
	return argument;
}

static void become(uid_t id)
{
	EXPECT(setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 1) == 0);
}

int main(int argc, char **argv)
{
	unsigned int before = read_filter();
	pthread_t thread;
	int ready[2];
	pid_t child;
	char byte;
	int status;

	if (argc > 1 && atoi(argv[1]) > 0)
		become((uid_t)atoi(argv[1]));
	EXPECT(pthread_create(&thread, NULL, idle, NULL) == 0);
	EXPECT(pipe(ready) == 0);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		write_filter(0x13);
		EXPECT(write(ready[1], "", 1) == 1);
		victim_wait_file("go");
		_exit(read_filter() == 0x13 ? 0 : 1);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	wait_for_restore();
	EXPECT(read_filter() == before);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
