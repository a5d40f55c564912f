/* Threads that work on blocks. Private to lib/image. */
#pragma once

#include <pthread.h>
#include <stddef.h>

#define THREADS_MAX 4u

/* How many threads are worth having: 1..THREADS_MAX. */
size_t thread_count_wanted(void);
/* A thread that takes no signals: they belong to the program. */
int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *argument);
