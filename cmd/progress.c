/* The progress bar, and progress as lines of JSON. See output.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "output.h"

enum { BAR_DELAY_MS = 500, BAR_INTERVAL_MS = 100, BAR_WIDTH = 24 };

static int64_t milliseconds(const struct timespec *from, const struct timespec *to)
{
	return (int64_t)(to->tv_sec - from->tv_sec) * 1000 +
	       (to->tv_nsec - from->tv_nsec) / 1000000;
}

int progress_start(struct progress *progress, int fd, struct err *err)
{
	if (fd > 0 && fcntl(fd, F_GETFD) < 0)
		return err_set(err, ERR_USAGE, "--progress-fd: descriptor %d is not open", fd);
	*progress = (struct progress){ .fd = fd, .has_bar = isatty(STDERR_FILENO) };
	(void)clock_gettime(CLOCK_MONOTONIC, &progress->start);
	progress->last = progress->start;
	return 0;
}

static void draw_bar(const struct ctckpt_progress *step, uint64_t rate, uint64_t left)
{
	char bar[BAR_WIDTH + 1];
	char done[FORMAT_SIZE], total[FORMAT_SIZE], speed[FORMAT_SIZE];
	double share = step->total ? (double)step->done / (double)step->total : 0;
	size_t filled = share >= 1 ? BAR_WIDTH : (size_t)(share * BAR_WIDTH);

	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';
	(void)fprintf(stderr, "\r\033[K[%s] %s of %s, %s/s, %" PRIu64 " s left", bar,
		      format_bytes(done, step->done), format_bytes(total, step->total),
		      format_bytes(speed, rate), left);
	(void)fflush(stderr);
}

void progress_step(void *argument, const struct ctckpt_progress *step)
{
	struct progress *progress = argument;
	struct timespec now;
	uint64_t elapsed = 0, rate = 0, left = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed = (uint64_t)milliseconds(&progress->start, &now);
	rate = step->done * 1000 / (elapsed ? elapsed : 1);
	left = rate && step->total > step->done ? (step->total - step->done + rate - 1) / rate : 0;

	if (progress->fd > 0)
		(void)dprintf(progress->fd,
			      "{\"done\":%" PRIu64 ",\"total\":%" PRIu64 ",\"rate\":%" PRIu64
			      ",\"left\":%" PRIu64 "}\n",
			      step->done, step->total, rate, left);
	if (progress->has_bar && elapsed >= BAR_DELAY_MS &&
	    (!progress->is_shown || milliseconds(&progress->last, &now) >= BAR_INTERVAL_MS)) {
		draw_bar(step, rate, left);
		progress->is_shown = true;
		progress->last = now;
	}
	if (step->done >= step->total)
		progress_end(progress);
}

void progress_end(struct progress *progress)
{
	if (progress->is_shown)
		(void)fputs("\r\033[K", stderr);
	progress->is_shown = false;
}
