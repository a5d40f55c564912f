/* The parser of /proc/PID/timers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "kind/support/timer_list.h"

static int failures;

static void report(const char *name, int is_ok)
{
	printf("%s %s\n", is_ok ? "ok" : "not ok", name);
	failures += !is_ok;
}

static const char two[] =
    "ID: 7\nsignal: 34/deadbeef12345678\nnotify: signal/tid.8523\nClockID: -2\n"
    "ID: 0\nsignal: 0/0000000000000000\nnotify: none/pid.1\nClockID: 1\n";

static void test_text(void)
{
	auto_free struct timer_line *timers = NULL;
	struct err err = ERR_NONE;
	size_t count = 0;

	report("two timers", timer_list_parse(two, &timers, &count, &err) == 0 && count == 2);
	report("sorted by id", count == 2 && timers[0].id == 0 && timers[1].id == 7);
	report("fields",
	       count == 2 && timers[1].signal == 34 && timers[1].value == 0xdeadbeef12345678 &&
		   timers[1].notify == SIGEV_THREAD_ID && timers[1].pid == 8523 &&
		   timers[1].clock == -2 && timers[0].notify == SIGEV_NONE && timers[0].clock == 1);
}

static void test_cut(void)
{
	int is_refused = 1;

	/* Only at the end of a timer may the text end. */
	for (size_t length = 1; length < sizeof(two) - 1; length++) {
		auto_free struct timer_line *timers = NULL;
		auto_free char *text = mem_copy(two, length);
		struct err err = ERR_NONE;
		size_t count;
		int r = timer_list_parse(text, &timers, &count, &err);

		is_refused &= r < 0 || count == 1;
	}
	report("cut short", is_refused);
}

static void test_refused(void)
{
	static const char *const texts[] = {
		"ID: -1\nsignal: 1/0\nnotify: none/pid.1\nClockID: 1\n",
		"ID: 99999999999\nsignal: 1/0\nnotify: none/pid.1\nClockID: 1\n",
		"ID: 1\nsignal: 1/10000000000000000\nnotify: none/pid.1\nClockID: 1\n",
		"ID: 1\nsignal: 1/0\nnotify: other/pid.1\nClockID: 1\n",
		"ID: 1\nsignal: 1/0\nnotify: none/gid.1\nClockID: 1\n",
		"ID: 1\nsignal: 1/0\nnotify: none/pid.1\nClockID: 1",
		"ID: 1\nsignal: 1/0\nnotify: none/pid.1\nClockID: 1\nmore\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_free struct timer_line *timers = NULL;
		struct err err = ERR_NONE;
		size_t count;

		report(texts[i], timer_list_parse(texts[i], &timers, &count, &err) < 0);
	}
}

static void test_kernel(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	auto_free struct timer_line *timers = NULL;
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct err err = ERR_NONE;
	size_t count = 0;
	int id;

	event.sigev_value.sival_ptr = (void *)0x1234567890;
	if (syscall(SYS_timer_create, CLOCK_BOOTTIME, &event, &id) < 0)
		abort();
	report("this kernel's text", procfs_open_pid(getpid(), &proc, &err) == 0 &&
					 procfs_read(proc, "timers", &text, &err) == 0 &&
					 timer_list_parse(text.data, &timers, &count, &err) == 0);
	report("this kernel's timer",
	       count == 1 && timers[0].id == (uint32_t)id && timers[0].signal == SIGUSR1 &&
		   timers[0].value == 0x1234567890 && timers[0].notify == SIGEV_SIGNAL &&
		   timers[0].pid == getpid() && timers[0].clock == CLOCK_BOOTTIME);
}

int main(void)
{
	test_text();
	test_cut();
	test_refused();
	test_kernel();
	return failures > 0;
}
