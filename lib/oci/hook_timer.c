/* Checkpoints that a container's annotations ask for: a process in the background, which waits for
 * its timer, signals and the container's end, and keeps the last images.
 *
 *   DIR/NAME@ID.NNNNNN.ckpt  an image
 *   DIR/NAME@ID.log          what went wrong
 *   DIR/NAME@ID.pid          the process; SIGUSR1 makes a checkpoint */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/sys.h"
#include "core/text.h"
#include "ctckpt/ctckpt.h"
#include "oci/hook.h"

enum {
	LOG_MAX = 1 << 20,
	LOOK_FIRST_MS = 20, /* has the container's program been executed? */
	LOOK_LAST_MS = 2000,
	RETRY_MS = 1000,
	RETRIES = 5,
};

struct timer {
	char *name;   /* owned: of its files */
	char *target; /* owned: name of the container */
	struct registry_entry entry;
	struct hook_times times;
	uint32_t keep;
	bool by_name;
	int dir;
	int pidfd; /* of the container's first task */
	int clock; /* the interval */
	int look;  /* until the container's program runs, or for another try */
	int signals;
	unsigned int look_ms;
	unsigned int retries;
	bool has_started;
	bool is_due; /* a checkpoint, once the program runs: on start, or by a signal */
};

static void timer_free(struct timer *timer)
{
	registry_entry_free(&timer->entry);
	free(timer->name);
	free(timer->target);
	drop_fd(&timer->dir);
	drop_fd(&timer->pidfd);
	drop_fd(&timer->clock);
	drop_fd(&timer->look);
	drop_fd(&timer->signals);
}

/* ---- its files ---- */

static int open_own(int dir, const char *file, int flags)
{
	auto_close int fd = openat(
	    dir, file, flags | O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_uid != geteuid() ||
	    stat.st_nlink > 1)
		return -1;
	if (stat.st_size > LOG_MAX && ftruncate(fd, 0) < 0)
		return -1;
	return take_fd(&fd);
}

static void say(const struct timer *timer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct timer *timer, const char *format, ...)
{
	auto_free char *file = mem_printf("%s.log", timer->name);
	auto_close int fd = open_own(timer->dir, file, O_APPEND);
	auto_buf struct buf line = BUF_EMPTY;
	char text[1600];
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%FT%TZ", &tm);
	buf_printf(&line, "%s ", when);
	(void)text_append_safe(&line, text);
	buf_printf(&line, "\n");
	if (fd >= 0)
		(void)!write(fd, line.data, line.size);
}

static void write_pid_file(const struct timer *timer)
{
	auto_free char *file = mem_printf("%s.pid", timer->name);
	auto_free char *temporary = mem_printf(".%s.pid.new", timer->name);
	auto_close int fd = -1;

	(void)unlinkat(timer->dir, temporary, 0);
	fd = openat(timer->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0 || dprintf(fd, "%d\n", getpid()) < 0 ||
	    renameat(timer->dir, temporary, timer->dir, file) < 0)
		say(timer, "write %s: %s", file, strerror(errno));
}

static void remove_pid_file(const struct timer *timer)
{
	auto_free char *file = mem_printf("%s.pid", timer->name);

	(void)unlinkat(timer->dir, file, 0);
}

/* ---- a checkpoint ---- */

static int save(const struct timer *timer, struct err *err)
{
	auto_free char *file = NULL;
	auto_free char *path = NULL;
	struct ctckpt_checkpoint_options options = { .name = timer->target,
						     .after = CTCKPT_LEAVE_RUNNING };
	struct ctckpt_stats stats;
	int r = hook_next_image(timer->dir, timer->name, &file, err);

	if (r < 0)
		return r;
	/* By the directory that was checked, whatever its path leads to now. */
	path = mem_printf("/proc/self/fd/%d/%s", timer->dir, file);
	options.image = path;
	r = ctckpt_checkpoint(&options, &stats, err);
	if (r == 0)
		r = hook_prune_images(timer->dir, timer->name, timer->keep, err);
	if (r == 0 && timer->by_name)
		r = hook_prune_former(timer->dir, timer->target, timer->name, timer->keep, err);
	return r;
}

static void set_clock(int fd, unsigned int milliseconds, uint64_t interval)
{
	struct itimerspec spec = {
		.it_value = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 },
		.it_interval = { (time_t)interval, 0 },
	};

	(void)timerfd_settime(fd, 0, &spec, NULL);
}

static bool has_ended(const struct timer *timer)
{
	struct pollfd end = { .fd = timer->pidfd, .events = POLLIN };

	return poll(&end, 1, 0) > 0;
}

static bool try_save(const struct timer *timer)
{
	struct err err = ERR_NONE;

	if (save(timer, &err) == 0)
		return true;
	if (!has_ended(timer))
		say(timer, "checkpoint: %s%s%s", err.text, err.hint[0] ? "; hint: " : "", err.hint);
	return false;
}

/* ---- waiting ---- */

static void on_look(struct timer *timer)
{
	if (!timer->has_started)
		timer->has_started = hook_has_started(&timer->entry);
	if (!timer->has_started) {
		timer->look_ms =
		    timer->look_ms * 2 < LOOK_LAST_MS ? timer->look_ms * 2 : LOOK_LAST_MS;
		set_clock(timer->look, timer->look_ms, 0);
		return;
	}
	if (!timer->is_due)
		return;
	/* A program that has just been executed may be about to be another one. */
	timer->is_due = !try_save(timer) && ++timer->retries < RETRIES;
	if (timer->is_due)
		set_clock(timer->look, RETRY_MS, 0);
}

static void on_clock(const struct timer *timer)
{
	uint64_t times;

	if (read(timer->clock, &times, sizeof(times)) == sizeof(times) && timer->has_started)
		(void)try_save(timer);
}

/* Several signals that came meanwhile are one. False: it is to end. */
static bool on_signals(struct timer *timer)
{
	struct signalfd_siginfo info;

	while (read(timer->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			return false;
		timer->is_due = true;
	}
	if (timer->is_due && timer->has_started)
		(void)try_save(timer);
	timer->is_due = timer->is_due && !timer->has_started;
	return true;
}

static void wait_for_end(struct timer *timer)
{
	struct pollfd fds[] = {
		{ .fd = timer->pidfd, .events = POLLIN },
		{ .fd = timer->signals, .events = POLLIN },
		{ .fd = timer->look, .events = POLLIN },
		{ .fd = timer->clock, .events = POLLIN },
	};
	uint64_t times;

	for (;;) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (fds[1].revents && !on_signals(timer))
			return;
		if (fds[2].revents && read(timer->look, &times, sizeof(times)) == sizeof(times))
			on_look(timer);
		if (fds[3].revents)
			on_clock(timer);
	}
}

/* ---- the background ---- */

static _Noreturn void be_timer(struct timer *timer)
{
	write_pid_file(timer);
	set_clock(timer->look, LOOK_FIRST_MS, 0);
	if (timer->times.every > 0) {
		struct itimerspec spec = {
			.it_value = { (time_t)timer->times.every, 0 },
			.it_interval = { (time_t)timer->times.every, 0 },
		};

		(void)timerfd_settime(timer->clock, 0, &spec, NULL);
	}
	wait_for_end(timer);
	remove_pid_file(timer);
	_exit(0);
}

static int open_process(struct timer *timer, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	int r;

	timer->pidfd = sys_pidfd_open(timer->entry.init);
	if (timer->pidfd < 0)
		return err_set(err, timer->pidfd, "open process %d", timer->entry.init);
	r = procfs_open_pid(timer->entry.init, &proc, err);
	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data ? text.data : "", &stat, err);
	if (r == 0 && stat.start_time != timer->entry.start_time)
		return err_set(err, ERR_FAILED, "process %d has ended", timer->entry.init);
	return r;
}

static int open_clocks(struct timer *timer, struct err *err)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGUSR1);
	(void)sigaddset(&signals, SIGTERM);
	/* A signal that came before it is read must not end the process. */
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	timer->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	timer->clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	timer->look = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer->signals < 0 || timer->clock < 0 || timer->look < 0)
		return err_set(err, -errno, "prepare for waiting");
	return 0;
}

/* It is stopped by this entry. */
static void remember(struct timer *timer, pid_t child)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	struct err err = ERR_NONE;

	if (procfs_open_pid(child, &proc, &err) < 0 || procfs_read(proc, "stat", &text, &err) < 0 ||
	    procfs_stat_parse(text.data ? text.data : "", &stat, &err) < 0)
		return;
	timer->entry.timer = child;
	timer->entry.timer_start_time = stat.start_time;
	if (registry_replace(&timer->entry, &err) < 0)
		say(timer, "registry: %s", err.text);
}

/* createRuntime may not have been called, or the name be another's. */
static int find_entry(const struct hook_state *state, struct timer *timer, struct err *err)
{
	const char *name = hook_state_name(state);
	int r = name ? registry_read(name, &timer->entry, err) : -ENOENT;

	if (r == 0 && timer->entry.init == state->pid && timer->entry.id &&
	    strcmp(timer->entry.id, state->id) == 0)
		return 0;
	registry_entry_free(&timer->entry);
	return err_set(err, ERR_FAILED,
		       "no checkpoints are made of it: it has no entry in the "
		       "registry");
}

static bool has_timer(const struct registry_entry *entry)
{
	auto_close int pidfd = hook_open_timer(entry);

	return pidfd >= 0;
}

static int check_bounds(const struct hook_annotations *annotations,
			const struct hook_bounds *bounds, struct err *err)
{
	uint64_t every = annotations->times.every;

	if (!annotations->images)
		return err_set(err, ERR_USAGE, "org.ctckpt.auto needs org.ctckpt.images");
	if (every > 0 && every < bounds->least) {
		(void)err_set(err, ERR_REFUSED,
			      "org.ctckpt.auto: every %" PRIu64
			      " s is more often than each %" PRIu64 " s",
			      every, bounds->least);
		return err_hint(err, "the hook file may allow it: see option --least in "
				     "ctckpt-oci-hook(1)");
	}
	if (annotations->keep > bounds->most) {
		(void)err_set(err, ERR_REFUSED, "org.ctckpt.keep: %u are more than %u images",
			      annotations->keep, bounds->most);
		return err_hint(err, "the hook file may allow it: see option --most in "
				     "ctckpt-oci-hook(1)");
	}
	return 0;
}

int hook_arm(const struct hook_state *state, const struct hook_bounds *bounds, struct err *err)
{
	const struct hook_annotations *annotations = &state->annotations;
	auto_with(timer_free) struct timer timer = {
		.times = annotations->times,
		.keep = annotations->keep,
		.by_name = bounds->by_name,
		.dir = -1,
		.pidfd = -1,
		.clock = -1,
		.look = -1,
		.signals = -1,
		.look_ms = LOOK_FIRST_MS,
		.is_due = annotations->times.on_start,
	};
	pid_t child;
	int r = check_bounds(annotations, bounds, err);

	if (r == 0)
		r = find_entry(state, &timer, err);
	if (r < 0 || has_timer(&timer.entry))
		return r;
	timer.target = mem_string(timer.entry.name);
	r = hook_file_stem(timer.entry.name, state->id, &timer.name, err);
	if (r == 0)
		r = open_process(&timer, err);
	if (r == 0)
		r = hook_open_images(annotations->images, bounds->below, &timer.dir, err);
	if (r == 0)
		r = open_clocks(&timer, err);
	if (r < 0)
		return r;
	child = hook_fork(
	    (int *const[]){ &timer.dir, &timer.pidfd, &timer.clock, &timer.look, &timer.signals },
	    5, err);
	if (child == 0)
		be_timer(&timer);
	if (child < 0)
		return child;
	remember(&timer, child);
	return 0;
}
