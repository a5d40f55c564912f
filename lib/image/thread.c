/* Threads of the writer. */
#include <signal.h>

#include "image/writer.h"

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
