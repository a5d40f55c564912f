/* A hundred threads that sleep on futexes and wake each other in a ring, all the time. */
#include <pthread.h>

#include "../victim/victim.h"

enum { THREADS = 100 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t turned[THREADS];
	unsigned long turn;
	bool is_ending;
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local unsigned long own_turns;

static void *take_turns(void *argument)
{
	size_t number = (size_t)argument;
	unsigned long next = number;

	EXPECT(pthread_mutex_lock(&ring.lock) == 0);
	while (!ring.is_ending) {
		if (ring.turn != next) {
			EXPECT(pthread_cond_wait(&ring.turned[number], &ring.lock) == 0);
			continue;
		}
		EXPECT(own_turns == next / THREADS);
		own_turns++;
		next += THREADS;
		ring.turn++;
		EXPECT(pthread_cond_signal(&ring.turned[ring.turn % THREADS]) == 0);
	}
	EXPECT(pthread_mutex_unlock(&ring.lock) == 0);
	return NULL;
}

static unsigned long turns(void)
{
	unsigned long turn;

	EXPECT(pthread_mutex_lock(&ring.lock) == 0);
	turn = ring.turn;
	EXPECT(pthread_mutex_unlock(&ring.lock) == 0);
	return turn;
}

static void end_ring(pthread_t threads[THREADS])
{
	EXPECT(pthread_mutex_lock(&ring.lock) == 0);
	ring.is_ending = true;
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(pthread_cond_signal(&ring.turned[i]) == 0);
	EXPECT(pthread_mutex_unlock(&ring.lock) == 0);
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
	pthread_t threads[THREADS];
	unsigned long before;

	for (size_t i = 0; i < THREADS; i++)
		EXPECT(pthread_cond_init(&ring.turned[i], NULL) == 0);
	for (size_t i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, take_turns, (void *)i) == 0);

	wait_for_restore();
	before = turns();
	while (turns() < before + 10 * THREADS)
		(void)usleep(1000);
	end_ring(threads);
	victim_done();
}
