/* posix_timers: ids with gaps, all clocks and ways to notify; some fire after the restore. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "victim.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { COUNT = 9, FAR = 5000 };

static const struct {
	clockid_t clock;
	int notify;
	bool is_deleted;
	bool is_beating;
} plans[COUNT] = {
	{ CLOCK_MONOTONIC, SIGEV_NONE, true, false },
	{ CLOCK_MONOTONIC, SIGEV_NONE, false, false },
	{ CLOCK_REALTIME, SIGEV_SIGNAL, true, false },
	{ CLOCK_REALTIME, SIGEV_SIGNAL, false, false },
	{ CLOCK_BOOTTIME, SIGEV_THREAD_ID, false, false },
	{ CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, true, false },
	{ CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, false, false },
	{ CLOCK_MONOTONIC, SIGEV_THREAD_ID, false, true },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, false, true },
};

static pid_t other;
static pthread_barrier_t built;
static int ids[COUNT];

static int make(int i)
{
	struct sigevent event = { .sigev_notify = plans[i].notify,
				  .sigev_signo = SIGRTMIN + i,
				  .sigev_value = { .sival_ptr = &ids[i] } };
	const struct itimerspec time = {
		.it_value = plans[i].is_beating ? (struct timespec){ 0, 10000000 }
						: (struct timespec){ FAR + i, 7 },
		.it_interval = plans[i].is_beating ? (struct timespec){ 0, 10000000 }
						   : (struct timespec){ i, i },
	};
	int id;

	if (plans[i].notify == SIGEV_THREAD_ID)
		event.sigev_notify_thread_id = other;
	EXPECT(syscall(SYS_timer_create, plans[i].clock, &event, &id) == 0);
	EXPECT(syscall(SYS_timer_settime, id, 0, &time, NULL) == 0);
	return id;
}

static void await_beat(int i)
{
	sigset_t set;
	siginfo_t info;

	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGRTMIN + i) == 0);
	for (int n = 0; n < 3; n++) {
		EXPECT(sigwaitinfo(&set, &info) == SIGRTMIN + i);
		EXPECT(info.si_code == SI_TIMER && info.si_value.sival_ptr == &ids[i]);
	}
}

static void *other_main(void *argument)
{
	(void)argument;
	other = gettid();
	(void)pthread_barrier_wait(&built);
	victim_wait_file("go");
	await_beat(7);
	return NULL;
}

static void verify(int i)
{
	struct itimerspec time;
	long r = syscall(SYS_timer_gettime, ids[i], &time);

	if (plans[i].is_deleted) {
		EXPECT(r < 0 && errno == EINVAL);
		return;
	}
	EXPECT(r == 0);
	if (plans[i].is_beating) {
		EXPECT(time.it_interval.tv_sec == 0 && time.it_interval.tv_nsec == 10000000);
		return;
	}
	EXPECT(time.it_interval.tv_sec == i && time.it_interval.tv_nsec == i);
	EXPECT(time.it_value.tv_sec <= FAR + i && time.it_value.tv_sec > FAR - 1000);
}

int main(void)
{
	pthread_t thread;
	sigset_t all;
	int fresh;

	EXPECT(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
	EXPECT(pthread_barrier_init(&built, NULL, 2) == 0);
	EXPECT(pthread_create(&thread, NULL, other_main, NULL) == 0);
	(void)pthread_barrier_wait(&built);
	for (int i = 0; i < COUNT; i++)
		ids[i] = make(i);
	for (int i = 0; i < COUNT; i++) {
		if (plans[i].is_deleted)
			EXPECT(syscall(SYS_timer_delete, ids[i]) == 0);
	}
	wait_for_restore();
	for (int i = 0; i < COUNT; i++)
		verify(i);
	await_beat(8);
	EXPECT(pthread_join(thread, NULL) == 0);
	/* A new one gets an id that none of them has. */
	fresh = make(8);
	for (int i = 0; i < COUNT; i++)
		EXPECT(plans[i].is_deleted || ids[i] != fresh);
	victim_done();
}
