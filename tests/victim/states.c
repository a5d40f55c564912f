/* states: many tasks, some with two threads, each with ids, capabilities, securebits, limits,
 * scheduling and switches of its own, by chance from a seed: what an ordinary user may have in a
 * container. They sleep; whoever started them compares.
 *
 *	states SEED COUNT */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

enum { COUNT_MAX = 1000, LIMITS = 16, PAGE = 4096, IO_SHIFT = 13 };

struct chance {
	uint64_t state;
};

static int built[2];	 /* a pipe: one byte a task that is done */
static uint32_t ids[2];	 /* how many user and group ids the container has, from 0 on */
static sem_t is_settled; /* of each task its own: the second thread is done */

/* splitmix64 */
static uint64_t draw(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t below(struct chance *chance, uint64_t end)
{
	return draw(chance) % end;
}

/* A set that is often full or empty. */
static uint64_t subset(struct chance *chance, uint64_t of)
{
	uint64_t shape = below(chance, 4);

	return shape == 0 ? 0 : shape == 1 ? of : of & draw(chance);
}

static uint64_t all_caps(void)
{
	uint64_t caps = 0;

	for (unsigned long cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		caps |= UINT64_C(1) << cap;
	return caps;
}

static void set_caps(uint64_t inheritable, uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	EXPECT(syscall(SYS_capset, &header, data) == 0);
}

/* Sets rise while all is permitted; securebits would forbid ambient ones. */
static void take_caps(struct chance *chance)
{
	uint64_t all = all_caps();
	uint64_t inheritable = subset(chance, all);
	uint64_t permitted = subset(chance, all);
	uint64_t effective = subset(chance, permitted);
	uint64_t ambient = subset(chance, permitted & inheritable);
	uint64_t bounding = subset(chance, all);
	unsigned long bits = below(chance, 3) ? draw(chance) & 0xff : 0;

	set_caps(inheritable, all, all);
	for (unsigned long cap = 0; all >> cap; cap++) {
		if (ambient >> cap & 1)
			EXPECT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0);
		if (!(bounding >> cap & 1))
			EXPECT(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0);
	}
	EXPECT(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0);
	set_caps(inheritable, permitted, effective);
}

/* An id of those that are mapped, which is often 0. */
static uint32_t some_id(struct chance *chance, uint32_t count)
{
	return (uint32_t)(below(chance, 2) ? 0 : below(chance, count));
}

static uint32_t mapped(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned int inside, outside, count;
	uint32_t end = 0;

	EXPECT(file);
	while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3 && inside == end)
		end += count;
	(void)fclose(file);
	return end < 5 ? end : 5;
}

static void take_ids(struct chance *chance)
{
	const uint32_t uids = ids[0];
	const uint32_t gids = ids[1];
	gid_t groups[3];

	if (uids < 2 || gids < 2)
		return;
	for (size_t i = 0; i < 3; i++)
		groups[i] = some_id(chance, gids);
	/* The library would do it for all threads. */
	EXPECT(syscall(SYS_setgroups, below(chance, 4), groups) == 0);
	EXPECT(syscall(SYS_setresgid, some_id(chance, gids), some_id(chance, gids),
		       some_id(chance, gids)) == 0);
	(void)syscall(SYS_setfsgid, some_id(chance, gids));
	EXPECT(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_setresuid, some_id(chance, uids), some_id(chance, uids),
		       some_id(chance, uids)) == 0);
	(void)syscall(SYS_setfsuid, some_id(chance, uids));
}

static void take_scheduling(struct chance *chance)
{
	static const int policies[] = { SCHED_OTHER, SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
	struct sched_param none = { .sched_priority = 0 };
	int policy = policies[below(chance, 4)];
	cpu_set_t cpus, one;

	EXPECT(setpriority(PRIO_PROCESS, (id_t)gettid(), (int)below(chance, 20)) == 0);
	if (below(chance, 2))
		EXPECT(syscall(SYS_ioprio_set, 1, 0,
			       (2 + below(chance, 2)) << IO_SHIFT | below(chance, 8)) == 0);
	EXPECT(sched_setscheduler(0, below(chance, 4) ? policy : policy | SCHED_RESET_ON_FORK,
				  &none) == 0);
	EXPECT(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &cpus) && below(chance, 2))
			CPU_SET(cpu, &one);
	}
	if (CPU_COUNT(&one) > 0)
		EXPECT(sched_setaffinity(0, sizeof(one), &one) == 0);
	EXPECT(prctl(PR_SET_TIMERSLACK, 1 + below(chance, 1000000), 0, 0, 0) == 0);
}

static void take_thread_state(struct chance *chance)
{
	take_scheduling(chance);
	take_ids(chance);
	if (below(chance, 2))
		EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	take_caps(chance);
}

/* What the task needs until it sleeps, and whoever saves it. */
static uint64_t least_limit(int resource)
{
	switch (resource) {
	case RLIMIT_CPU:
		return 1000;
	case RLIMIT_AS:
	case RLIMIT_DATA:
		return UINT64_C(1) << 30;
	default:
		return 0;
	}
}

static void take_limit(struct chance *chance, int resource)
{
	uint64_t least = least_limit(resource);
	struct rlimit limit;

	EXPECT(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
	if (below(chance, 2) && limit.rlim_max > least)
		limit.rlim_max = least + below(chance, limit.rlim_max == RLIM_INFINITY
							   ? UINT64_C(1) << below(chance, 60)
							   : limit.rlim_max - least + 1);
	limit.rlim_cur = below(chance, 2) || limit.rlim_max <= least
			     ? limit.rlim_max
			     : least + below(chance, limit.rlim_max - least);
	EXPECT(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

static void lock_memory(struct chance *chance)
{
	size_t size = (1 + below(chance, 4)) * PAGE;
	struct rlimit limit;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED && getrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (below(chance, 3) == 0 && limit.rlim_cur >= size)
		EXPECT(mlock(memory, size) == 0);
}

static void take_process_state(struct chance *chance)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof(text) - 1);
	long least;

	EXPECT(fd >= 0 && size > 0);
	text[size] = '\0';
	least = strtol(text, NULL, 10);
	size = snprintf(text, sizeof(text), "%ld",
			least + (long)below(chance, (uint64_t)(1001 - least)));
	EXPECT(write(fd, text, (size_t)size) == size);
	(void)close(fd);
	(void)umask((mode_t)below(chance, 01000));
	lock_memory(chance);
	for (int i = 0; i < LIMITS; i++)
		take_limit(chance, i);
}

static void *second_thread(void *argument)
{
	take_thread_state(argument);
	EXPECT(sem_post(&is_settled) == 0);
	for (;;)
		(void)pause();
}

/* Each thread draws for itself, so that the same seed always makes the same. */
static void run_task(struct chance chance)
{
	struct chance second = { .state = draw(&chance) };
	pthread_t thread;
	bool is_dumpable = below(&chance, 4) > 0;

	EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && close(built[0]) == 0);
	if (below(&chance, 4) == 0) {
		EXPECT(pthread_create(&thread, NULL, second_thread, &second) == 0);
		EXPECT(sem_wait(&is_settled) == 0);
	}
	take_process_state(&chance);
	take_thread_state(&chance);
	EXPECT(prctl(PR_SET_DUMPABLE, is_dumpable) == 0);
	EXPECT(write(built[1], "", 1) == 1 && close(built[1]) == 0);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
	char byte;

	EXPECT(count > 0 && count <= COUNT_MAX && pipe2(built, O_CLOEXEC) == 0);
	EXPECT(sem_init(&is_settled, 0, 0) == 0);
	ids[0] = mapped("/proc/self/uid_map");
	ids[1] = mapped("/proc/self/gid_map");
	for (uint64_t i = 0; i < count; i++) {
		pid_t child = fork();

		EXPECT(child >= 0);
		if (child == 0)
			run_task((struct chance){ .state = seed * COUNT_MAX + i });
	}
	EXPECT(close(built[1]) == 0);
	for (uint64_t i = 0; i < count; i++)
		EXPECT(read(built[0], &byte, 1) == 1);
	EXPECT(close(built[0]) == 0);
	wait_for_restore();
	victim_done();
}
