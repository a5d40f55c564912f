/* timerfd: armed, disarmed, expired, periodic, and set to a date. */
#include <poll.h>
#include <sys/timerfd.h>

#include "victim.h"

static int start(int clock, int flags, time_t seconds, long nanoseconds, time_t interval)
{
	struct itimerspec times = { { interval, 0 }, { seconds, nanoseconds } };
	int fd = timerfd_create(clock, TFD_NONBLOCK);

	EXPECT(fd >= 0 && timerfd_settime(fd, flags, &times, NULL) == 0);
	return fd;
}

/* It has gone off by the checkpoint, and does so again soon after it is read. */
static int start_fast(void)
{
	struct itimerspec times = { { 0, 50 * 1000 * 1000 }, { 0, 1000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	EXPECT(fd >= 0 && timerfd_settime(fd, 0, &times, NULL) == 0);
	return fd;
}

static void expect_tick(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLIN };
	uint64_t ticks;

	EXPECT(poll(&state, 1, 20000) == 1 && read(fd, &ticks, sizeof(ticks)) == sizeof(ticks));
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	time_t date = time(NULL) + 5000;
	int far = start(CLOCK_MONOTONIC, 0, 1000, 0, 7);
	int idle = start(CLOCK_BOOTTIME, 0, 0, 0, 0);
	int once = start(CLOCK_MONOTONIC, 0, 0, 1000, 0);
	int periodic = start(CLOCK_MONOTONIC, 0, 0, 1000, 3600);
	int fast = start_fast();
	int dated = start(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, date, 0, 0);
	struct itimerspec times;
	uint64_t ticks;

	EXPECT(nanosleep(&pause, NULL) == 0);
	wait_for_restore();
	EXPECT(timerfd_gettime(far, &times) == 0 && times.it_interval.tv_sec == 7);
	EXPECT(times.it_value.tv_sec <= 1000 && times.it_value.tv_sec > 900);
	EXPECT(timerfd_gettime(idle, &times) == 0 && times.it_value.tv_sec == 0);
	EXPECT(read(idle, &ticks, sizeof(ticks)) < 0 && errno == EAGAIN);
	EXPECT(read(once, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks == 1);
	EXPECT(read(once, &ticks, sizeof(ticks)) < 0 && errno == EAGAIN);
	EXPECT(read(periodic, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks == 1);
	EXPECT(timerfd_gettime(periodic, &times) == 0 && times.it_interval.tv_sec == 3600);
	EXPECT(times.it_value.tv_sec > 3500);
	expect_tick(fast);
	expect_tick(fast);
	EXPECT(timerfd_gettime(dated, &times) == 0);
	EXPECT(labs((long)(time(NULL) + times.it_value.tv_sec - date)) <= 2);
	victim_done();
}
