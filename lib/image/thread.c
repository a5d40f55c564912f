/* Threads. See thread.h. */
#include "image/thread.h"

#include <sched.h>
#include <signal.h>

size_t thread_count_wanted(void)
{
	cpu_set_t cpus;

	/* Fails on a host with more than 1024 processors. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > (int)THREADS_MAX)
		return THREADS_MAX;
	return (size_t)CPU_COUNT(&cpus);
}

int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *argument)
{
	sigset_t all;
	sigset_t before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, NULL, run, argument);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}
