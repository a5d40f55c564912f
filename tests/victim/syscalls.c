/* registers: system calls in which threads sleep. None may see EINTR, time out early, or lose what
 * arrives after the restore. */
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "victim.h"

static const struct timespec sleep_time = { .tv_sec = 2 };
static const struct timespec far_time = { .tv_sec = 1000 };
static uint32_t word;
static uint32_t timed_word;
static int ends[2];
static int never[2];
static int event;
static pid_t child;
static pid_t tids[16];

static int64_t since(const struct timespec *start)
{
	struct timespec now;

	EXPECT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (now.tv_sec - start->tv_sec) * 1000000000ll + now.tv_nsec - start->tv_nsec;
}

static struct timespec now(void)
{
	struct timespec time;

	EXPECT(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
	return time;
}

static void sleep_relative(void)
{
	struct timespec start = now();
	struct timespec left;

	EXPECT(nanosleep(&sleep_time, &left) == 0 && since(&start) >= 2000000000);
}

static void sleep_absolute(void)
{
	struct timespec end = now();

	end.tv_sec += 2;
	EXPECT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == 0);
	EXPECT(since(&end) >= 0);
}

static void wait_futex(void)
{
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) {
		long r = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);

		EXPECT(r == 0 || errno == EAGAIN);
	}
}

static void wait_futex_timed(void)
{
	while (__atomic_load_n(&timed_word, __ATOMIC_SEQ_CST) == 0) {
		long r = syscall(SYS_futex, &timed_word, FUTEX_WAIT_PRIVATE, 0, &far_time, NULL, 0);

		EXPECT(r == 0 || errno == EAGAIN);
	}
}

static void wait_futex_out(void)
{
	struct timespec start = now();
	uint32_t own = 0;

	EXPECT(syscall(SYS_futex, &own, FUTEX_WAIT_PRIVATE, 0, &sleep_time, NULL, 0) < 0 &&
	       errno == ETIMEDOUT && since(&start) >= 2000000000);
}

static void wait_poll(void)
{
	struct pollfd fd = { .fd = event, .events = POLLIN };

	EXPECT(poll(&fd, 1, 1000000) == 1 && fd.revents == POLLIN);
}

static void wait_poll_out(void)
{
	struct timespec start = now();
	struct pollfd fd = { .fd = never[0], .events = POLLIN };

	EXPECT(poll(&fd, 1, 2000) == 0 && since(&start) >= 1999000000);
}

static void wait_poll_forever(void)
{
	struct pollfd fd = { .fd = event, .events = POLLIN };

	EXPECT(ppoll(&fd, 1, NULL, NULL) == 1);
}

static void wait_select(void)
{
	struct timeval far = { .tv_sec = 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(event, &set);
	EXPECT(select(event + 1, &set, NULL, NULL, &far) == 1 && FD_ISSET(event, &set));
}

static void wait_pselect(void)
{
	sigset_t mask;
	fd_set set;

	EXPECT(sigfillset(&mask) == 0);
	FD_ZERO(&set);
	FD_SET(event, &set);
	EXPECT(pselect(event + 1, &set, NULL, NULL, &far_time, &mask) == 1);
}

static void wait_epoll(void)
{
	struct epoll_event item = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int n;

	EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, event, &item) == 0);
	n = epoll_wait(epoll, &item, 1, -1);
	if (n != 1)
		victim_fail("epoll_wait says %d (%s)", n, strerror(errno));
}

static void read_pipe(void)
{
	char byte;

	EXPECT(read(ends[0], &byte, 1) == 1 && byte == 'x');
}

static void wait_child(void)
{
	int status;

	EXPECT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
}

static void wait_signal(void)
{
	siginfo_t info;
	sigset_t set;

	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0);
	EXPECT(sigtimedwait(&set, &info, &far_time) == SIGUSR1);
}

static void wait_suspended(void)
{
	sigset_t set;

	EXPECT(sigfillset(&set) == 0 && sigdelset(&set, SIGUSR2) == 0);
	EXPECT(sigsuspend(&set) < 0 && errno == EINTR);
}

static void (*const waits[])(void) = {
	sleep_relative, sleep_absolute, wait_futex,	   wait_futex_timed, wait_futex_out,
	wait_poll,	wait_poll_out,	wait_poll_forever, wait_select,	     wait_pselect,
	wait_epoll,	read_pipe,	wait_child,	   wait_signal,	     wait_suspended,
};

enum { COUNT = sizeof(waits) / sizeof(waits[0]) };

static void on_usr2(int number)
{
	(void)number;
}

static void *run(void *argument)
{
	int number = (int)(intptr_t)argument;

	__atomic_store_n(&tids[number], gettid(), __ATOMIC_SEQ_CST);
	waits[number]();
	return NULL;
}

/* Until the thread sleeps in the kernel, or has ended. */
static void await_sleep(int number)
{
	char path[64];
	char text[512] = "";

	while (__atomic_load_n(&tids[number], __ATOMIC_SEQ_CST) == 0)
		(void)sched_yield();
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tids[number]);
	while (!strstr(text, ") S ")) {
		int fd = open(path, O_RDONLY);

		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
			return;
		(void)close(fd);
	}
}

static void make_child(void)
{
	child = fork();
	if (child == 0) {
		victim_wait_file("go");
		_exit(5);
	}
}

static void wake_all(const pthread_t *threads)
{
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&timed_word, 1, __ATOMIC_SEQ_CST);
	EXPECT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 1);
	EXPECT(syscall(SYS_futex, &timed_word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0) == 1);
	EXPECT(eventfd_write(event, 1) == 0 && write(ends[1], "x", 1) == 1);
	EXPECT(pthread_kill(threads[13], SIGUSR1) == 0 && pthread_kill(threads[14], SIGUSR2) == 0);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_usr2 };
	pthread_t threads[COUNT];
	sigset_t set;

	event = eventfd(0, EFD_CLOEXEC);
	EXPECT(event >= 0 && pipe(ends) == 0 && pipe(never) == 0);
	make_child();
	EXPECT(sigaction(SIGUSR2, &action, NULL) == 0);
	EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0 &&
	       sigaddset(&set, SIGUSR2) == 0 && pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	for (int i = 0; i < COUNT; i++)
		EXPECT(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < COUNT; i++)
		await_sleep(i);
	wait_for_restore();
	for (int i = 0; i < COUNT; i++)
		await_sleep(i);
	wake_all(threads);
	for (int i = 0; i < COUNT; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	victim_done();
}
