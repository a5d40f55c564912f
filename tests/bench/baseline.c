/* baseline MIB RUNS DIR: what this machine can do at all, as lines "name median-microseconds":
 *
 *	write       memory of MIB in 4K pages to a new file in DIR
 *	read        that file to fresh memory in 4K pages
 *	read_huge   the same to fresh memory in huge pages
 *	fork        a process with that memory forks
 *	process     a small process is made and has ended
 *	thread      a thread is made and has ended */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 2 << 20, RUNS_MAX = 101, MANY = 200 };

static size_t size;
static char file[4096];

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	(void)unlink(file);
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static char *map(int advice)
{
	char *memory = mmap(NULL, size + PIECE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	(void)madvise(memory, size + PIECE, advice);
	return memory;
}

static void unmap(char *memory)
{
	(void)munmap(memory, size + PIECE);
}

static void fill(char *memory)
{
	for (size_t at = 0; at < size; at += 4096)
		memset(memory + at, (int)(at >> 12) | 1, 4096);
}

static double time_write(const char *memory)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	double start = now_us();

	if (fd < 0)
		die(file);
	for (size_t at = 0; at < size; at += PIECE)
		if (write(fd, memory + at, PIECE) != PIECE)
			die("write");
	start = now_us() - start;
	(void)close(fd);
	return start;
}

static double time_read(int advice)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *memory = map(advice);
	double start = now_us();

	for (size_t at = 0; at < size; at += PIECE)
		if (read(fd, memory + at, PIECE) != PIECE)
			die("read");
	start = now_us() - start;
	unmap(memory);
	(void)close(fd);
	return start;
}

static double time_fork(int count)
{
	double start = now_us(), forked = 0;

	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			_exit(0);
		forked = now_us();
		(void)waitpid(pid, NULL, 0);
	}
	return count == 1 ? forked - start : (now_us() - start) / count;
}

static void *do_nothing(void *argument)
{
	return argument;
}

static double time_thread(void)
{
	double start = now_us();
	pthread_t thread;

	for (int i = 0; i < MANY; i++) {
		if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
			die("pthread_create");
		(void)pthread_join(thread, NULL);
	}
	return (now_us() - start) / MANY;
}

static int compare(const void *one, const void *other)
{
	const double *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

static void report(const char *name, double *times, int runs)
{
	qsort(times, (size_t)runs, sizeof(*times), compare);
	(void)printf("%s %.1f\n", name, times[runs / 2]);
}

/* Six GiB, or what is there: memory that the machine has not handed out yet is slower. */
static void touch_first(void)
{
	size_t pages = (size_t)sysconf(_SC_AVPHYS_PAGES) / 4 * 3;
	size_t want = (6ul << 30) / 4096;
	size_t bytes = (pages < want ? pages : want) * 4096;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t at = 0; memory != MAP_FAILED && at < bytes; at += 4096)
		memory[at] = 1;
	if (memory != MAP_FAILED)
		(void)munmap(memory, bytes);
}

int main(int argc, char **argv)
{
	double write_times[RUNS_MAX], read_times[RUNS_MAX], huge_times[RUNS_MAX],
	    fork_times[RUNS_MAX], process_times[RUNS_MAX], thread_times[RUNS_MAX];
	int runs = argc == 4 ? atoi(argv[2]) : 0;
	char *memory;

	if (runs < 1 || runs > RUNS_MAX)
		return 2;
	size = (size_t)atol(argv[1]) << 20;
	(void)snprintf(file, sizeof(file), "%s/baseline", argv[3]);

	for (int i = 0; i < runs; i++) {
		process_times[i] = time_fork(MANY);
		thread_times[i] = time_thread();
	}
	touch_first();
	memory = map(MADV_NOHUGEPAGE);
	fill(memory);
	for (int i = 0; i < runs; i++) {
		write_times[i] = time_write(memory);
		read_times[i] = time_read(MADV_NOHUGEPAGE);
		huge_times[i] = time_read(MADV_HUGEPAGE);
		fork_times[i] = time_fork(1);
		(void)unlink(file);
	}
	unmap(memory);
	report("write", write_times, runs);
	report("read", read_times, runs);
	report("read_huge", huge_times, runs);
	report("fork", fork_times, runs);
	report("process", process_times, runs);
	report("thread", thread_times, runs);
	return 0;
}
