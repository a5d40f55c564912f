/* itimers: all three of setitimer(2), far from their end; in a child one that beats. */
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "victim.h"

static volatile sig_atomic_t beats;

static void on_beat(int number)
{
	(void)number;
	beats++;
}

static void child_main(int ready)
{
	const struct itimerval timer = { .it_interval = { .tv_usec = 20000 },
					 .it_value = { .tv_usec = 20000 } };
	int before;

	EXPECT(signal(SIGALRM, on_beat) != SIG_ERR);
	EXPECT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (beats < 2)
		(void)pause();
	EXPECT(write(ready, "", 1) == 1);
	victim_wait_file("go");
	before = beats;
	while (beats < before + 3)
		(void)pause();
	_exit(0);
}

int main(void)
{
	const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
	int ready[2];
	int status;
	pid_t child;
	char byte;

	EXPECT(pipe(ready) == 0);
	child = fork();
	if (child == 0)
		child_main(ready[1]);
	EXPECT(child > 0 && read(ready[0], &byte, 1) == 1);
	for (int i = 0; i < 3; i++) {
		const struct itimerval timer = { .it_interval = { 100 + i, 5000 },
						 .it_value = { 5000 + i, 0 } };

		EXPECT(setitimer(which[i], &timer, NULL) == 0);
	}
	wait_for_restore();
	for (int i = 0; i < 3; i++) {
		struct itimerval timer;

		EXPECT(getitimer(which[i], &timer) == 0);
		EXPECT(timer.it_interval.tv_sec == 100 + i && timer.it_interval.tv_usec == 5000);
		EXPECT(timer.it_value.tv_sec <= 5000 + i && timer.it_value.tv_sec > 4000);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	victim_done();
}
