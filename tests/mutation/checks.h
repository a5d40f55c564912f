/* For sources that `mutate instrument` wrote: which checks fire, and one that is switched off.
 *
 *   CTCKPT_CHECK_OFF=N   check N neither fires nor fails
 *   CTCKPT_CHECKS=FILE   a byte for each check: 1 once it fired; shared by all processes */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECKS_MAX 65536

__attribute__((weak)) int checks_off = -1;
__attribute__((weak)) unsigned char checks_own[CHECKS_MAX];
__attribute__((weak)) unsigned char *checks_fired = checks_own;

__attribute__((weak, constructor)) void checks_begin(void)
{
	const char *off = getenv("CTCKPT_CHECK_OFF");
	const char *path = getenv("CTCKPT_CHECKS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map =
	    fd < 0 ? MAP_FAILED : mmap(NULL, CHECKS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (off)
		checks_off = atoi(off);
	if (map != MAP_FAILED)
		checks_fired = map;
	if (fd >= 0)
		close(fd);
}

static inline bool check_note(int number, bool has_fired)
{
	if (has_fired)
		checks_fired[number] = 1;
	return has_fired;
}

/* What a condition does besides, it does in any case. */
#define CHECK_FIRES(number, condition)                                                             \
	({                                                                                         \
		bool fires_ = (condition);                                                         \
		checks_off != (number) && check_note(number, fires_);                              \
	})
#define CHECK_HOLDS(number, condition)                                                             \
	({                                                                                         \
		bool holds_ = (condition);                                                         \
		checks_off == (number) || !check_note(number, !holds_);                            \
	})
