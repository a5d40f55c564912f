/* What is saved and restored in benchmarks; waits, idle, once it is built:
 *
 *	load memory MIB     in 4K pages
 *	load huge MIB       in huge pages, as far as the kernel has them
 *	load processes N    a tree of them, three children each
 *	load threads N */
#include <pthread.h>
#include <sys/mman.h>

#include "../victim/victim.h"

enum { CHILDREN = 3, NUMBER_MAX = 10000, HUGE_PAGE = 2 << 20 };

static void hold_memory(size_t size, int advice)
{
	char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	EXPECT(memory != MAP_FAILED);
	memory += HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE;
	(void)madvise(memory, size, advice);
	for (size_t at = 0; at < size; at += 4096)
		memset(memory + at, (int)(at >> 12) | 1, 4096);
}

/* Node n has the children n * CHILDREN + 1 and so on. Each tells its parent when it is there. */
static void hold_processes(size_t number, size_t count)
{
	int ends[2];
	char word = 0;

	EXPECT(pipe(ends) == 0);
	for (size_t child = number * CHILDREN + 1;
	     child <= number * CHILDREN + CHILDREN && child < count; child++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid > 0) {
			EXPECT(read(ends[0], &word, 1) == 1);
			continue;
		}
		(void)close(ends[0]);
		hold_processes(child, count);
		EXPECT(write(ends[1], &word, 1) == 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void *hold_still(void *argument)
{
	for (;;)
		(void)pause();
	return argument;
}

static void hold_threads(size_t count)
{
	pthread_attr_t attributes;
	pthread_t thread;

	EXPECT(pthread_attr_init(&attributes) == 0);
	EXPECT(pthread_attr_setstacksize(&attributes, 65536) == 0);
	for (size_t i = 1; i < count; i++)
		EXPECT(pthread_create(&thread, &attributes, hold_still, NULL) == 0);
}

int main(int argc, char **argv)
{
	size_t number = argc == 3 ? (size_t)atol(argv[2]) : 0;

	if (number < 1 || number > NUMBER_MAX)
		return 2;
	if (strcmp(argv[1], "memory") == 0)
		hold_memory(number << 20, MADV_NOHUGEPAGE);
	else if (strcmp(argv[1], "huge") == 0)
		hold_memory(number << 20, MADV_HUGEPAGE);
	else if (strcmp(argv[1], "processes") == 0)
		hold_processes(0, number);
	else if (strcmp(argv[1], "threads") == 0)
		hold_threads(number);
	else
		return 2;
	victim_write("ready", "");
	hold_still(NULL);
}
