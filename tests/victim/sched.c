/* sched: threads with policies, niceness, CPUs and I/O priorities of their own. The argument
 * `idle`: without any, for tests that give them some. */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "victim.h"

#define IO_PRIORITY(class, level) ((class) << 13 | (level))

struct way {
	int policy;
	int nice;
	int io;
	bool is_bound; /* to its first CPU alone */
};

static const struct way ways[] = {
	{ SCHED_OTHER, 7, IO_PRIORITY(2, 6), false },
	{ SCHED_BATCH, 5, 0, true },
	{ SCHED_IDLE, 3, IO_PRIORITY(3, 0), false },
	{ SCHED_OTHER | SCHED_RESET_ON_FORK, 0, IO_PRIORITY(2, 1), true },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static pthread_barrier_t built;

static void take(const struct way *way, cpu_set_t *cpus)
{
	struct sched_param none = { .sched_priority = 0 };
	cpu_set_t one;
	int cpu = 0;

	EXPECT(sched_setscheduler(0, way->policy, &none) == 0);
	EXPECT(setpriority(PRIO_PROCESS, (id_t)gettid(), way->nice) == 0);
	if (way->io)
		EXPECT(syscall(SYS_ioprio_set, 1, 0, way->io) == 0);
	EXPECT(sched_getaffinity(0, sizeof(*cpus), cpus) == 0);
	if (!way->is_bound)
		return;
	while (!CPU_ISSET(cpu, cpus))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
	*cpus = one;
}

static void *run(void *argument)
{
	const struct way *way = argument;
	cpu_set_t cpus;
	cpu_set_t now;
	long io;

	take(way, &cpus);
	io = syscall(SYS_ioprio_get, 1, 0);
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	EXPECT(sched_getscheduler(0) == way->policy);
	EXPECT(getpriority(PRIO_PROCESS, (id_t)gettid()) == way->nice);
	EXPECT(syscall(SYS_ioprio_get, 1, 0) == io);
	EXPECT(sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &cpus));
	return NULL;
}

/* Others give them what they may not take themselves. */
static void *idle(void *argument)
{
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	return argument;
}

int main(int argc, char **argv)
{
	bool is_idle = argc > 1 && strcmp(argv[1], "idle") == 0;
	pthread_t threads[WAYS];

	EXPECT(pthread_barrier_init(&built, NULL, WAYS + 1) == 0);
	for (int i = 0; i < WAYS; i++)
		EXPECT(pthread_create(&threads[i], NULL, is_idle ? idle : run, (void *)&ways[i]) ==
		       0);
	(void)pthread_barrier_wait(&built);
	wait_for_restore();
	for (int i = 0; i < WAYS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	victim_done();
}
