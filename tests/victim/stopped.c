/* identity: a stopped process with threads that never sleep: none of them may run, even for a
 * moment, before SIGCONT. With the argument `terminal`, it is stopped as by one. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "victim.h"

enum { THREADS = 4 };

struct counters {
	volatile uint64_t counts[THREADS];
};

static struct counters *counters;

static void *run(void *argument)
{
	volatile uint64_t *count = argument;

	for (;;)
		(*count)++;
	return NULL;
}

static pid_t start(void)
{
	pid_t child = fork();
	pthread_t thread;

	if (child != 0)
		return child;
	for (int i = 1; i < THREADS; i++)
		EXPECT(pthread_create(&thread, NULL, run, (void *)&counters->counts[i]) == 0);
	(void)run((void *)&counters->counts[0]);
	_exit(1);
}

static void await_counts(const struct counters *before)
{
	for (int i = 0; i < THREADS; i++) {
		while (counters->counts[i] == before->counts[i])
			(void)usleep(1000);
	}
}

int main(int argc, char **argv)
{
	int stop = argc > 1 && strcmp(argv[1], "terminal") == 0 ? SIGTSTP : SIGSTOP;
	struct counters before = { { 0 } };
	siginfo_t info;
	pid_t child;
	int status;

	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(counters != MAP_FAILED);
	child = start();
	EXPECT(child > 0);
	await_counts(&before);
	/* A terminal stops nobody whose group has no parent in the session. */
	EXPECT(stop == SIGSTOP || setpgid(child, child) == 0);
	EXPECT(kill(child, stop) == 0);
	EXPECT(waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0);
	before = *counters;
	wait_for_restore();
	EXPECT(memcmp(&before, counters, sizeof(before)) == 0);
	EXPECT(kill(child, SIGCONT) == 0);
	await_counts(&before);
	EXPECT(kill(child, SIGKILL) == 0);
	EXPECT(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
	victim_done();
}
