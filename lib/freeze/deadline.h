/* Points in time, in microseconds of CLOCK_MONOTONIC. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define FREEZE_TIMEOUT_US 10000000u

static inline uint64_t clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What is left until then, but at most `most`. */
static inline uint64_t time_left_us(uint64_t deadline, uint64_t most)
{
	uint64_t now = clock_us();
	uint64_t left = now < deadline ? deadline - now : 0;

	return left < most ? left : most;
}

static inline struct timespec timespec_us(uint64_t us)
{
	return (struct timespec){ .tv_sec = (time_t)(us / 1000000),
				  .tv_nsec = (long)(us % 1000000) * 1000 };
}

/* Is it time to say how far something is? At the end and, since `last`, now and then. */
static inline bool progress_is_due(uint64_t *last, uint64_t done, uint64_t total)
{
	uint64_t now = clock_us();

	if (now - *last < 50000 && done < total)
		return false;
	*last = now;
	return true;
}
