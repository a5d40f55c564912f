/* The hooks of engines: a state or a configuration comes in, a stage of the container's life is
 * done. See ctckpt/hook.h. */
#include "ctckpt/hook.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "core/text.h"
#include "oci/hook.h"

enum {
	STATE_MAX = 1 << 20,
	CONFIG_MAX = 16 << 20,
	LOG_MAX = 1 << 18,
	PATIENCE_MS = 5000, /* less than the timeout in the hook files */
	ROOT_LEAST = 10,    /* seconds */
	ROOT_MOST = 100,    /* images */
};

void hook_log(const char *format, ...)
{
	auto_free char *path = NULL;
	auto_close int fd = -1;
	auto_buf struct buf line = BUF_EMPTY;
	char said[1024];
	char when[32] = "";
	time_t now = time(NULL);
	struct err ignored;
	struct stat stat;
	struct tm tm;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	if (registry_file_path("hooks.log", &path, &ignored) < 0)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return;
	if (stat.st_size > LOG_MAX && ftruncate(fd, 0) < 0)
		return;
	if (gmtime_r(&now, &tm))
		(void)strftime(when, sizeof(when), "%FT%TZ ", &tm);
	buf_printf(&line, "%s", when);
	(void)text_append_safe(&line, said);
	buf_printf(&line, "\n");
	(void)!write(fd, line.data, line.size);
}

/* ---- what comes in ---- */

static int64_t now_ms(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* To the end, but neither more than `max` nor for ever. *text has what was read, whatever comes. */
static int read_input(int fd, size_t max, struct buf *text, struct err *err)
{
	int64_t deadline = now_ms() + PATIENCE_MS;
	struct pollfd input = { .fd = fd, .events = POLLIN };

	(void)buf_append(text, NULL, 0);
	while (text->size <= max) {
		char piece[16384];
		int64_t left = deadline - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&input, 1, (int)left) == 0)
			return err_set(err, ERR_FAILED, "standard input does not end");
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "read standard input");
		if (n == 0)
			return 0;
		(void)buf_append(text, piece, (size_t)n);
	}
	return err_set(err, ERR_FAILED, "standard input is larger than %zu bytes", max);
}

static int write_out(int fd, const char *data, size_t size, struct err *err)
{
	int r = sys_write_all(fd, data, size);

	return r < 0 ? err_set(err, r, "write to standard output") : 0;
}

/* ---- stages ---- */

static int on_create(const struct hook_state *state, const struct hook_bounds *bounds,
		     struct err *err)
{
	(void)bounds;
	return hook_register(state, err);
}

static int on_start(const struct hook_state *state, const struct hook_bounds *bounds,
		    struct err *err)
{
	int r = 0;

	if (state->annotations.restore)
		r = hook_restore(state, bounds, err);
	if (r == 0 && hook_times_are_set(&state->annotations.times))
		r = hook_arm(state, bounds, err);
	return r;
}

static int on_stop(const struct hook_state *state, const struct hook_bounds *bounds,
		   struct err *err)
{
	(void)bounds;
	return hook_forget(state, err);
}

static const struct {
	const char *name;
	int (*run)(const struct hook_state *state, const struct hook_bounds *bounds,
		   struct err *err);
} stages[] = {
	{ "createRuntime", on_create },
	{ "poststart", on_start },
	{ "poststop", on_stop },
};

static int run_stage(const struct ctckpt_hook_options *options, size_t stage,
		     const struct hook_bounds *bounds, struct err *err)
{
	auto_hook_state struct hook_state state = HOOK_STATE_NONE;
	auto_buf struct buf text = BUF_EMPTY;
	int r = read_input(options->input, STATE_MAX, &text, err);

	if (r == 0)
		r = hook_state_parse(text.data, text.size, &state, err);
	if (r == 0)
		r = stages[stage].run(&state, bounds, err);
	if (r < 0 && state.id)
		return err_wrap(err, "container %.12s", state.id);
	return r;
}

/* What is too large goes through as it is. */
static int pass_rest(int input, int output, struct err *err)
{
	char piece[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(input, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "read standard input");
		r = write_out(output, piece, (size_t)n, err);
	}
	return r;
}

/* Without a configuration on standard output, podman starts nothing. */
static int precreate(const struct ctckpt_hook_options *options, const struct hook_bounds *bounds,
		     struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *changed = NULL;
	struct err written = ERR_NONE;
	int r = read_input(options->input, CONFIG_MAX, &text, err);
	int w;

	if (r == 0)
		r = hook_precreate(text.data, text.size, bounds, &changed, err);
	w = write_out(options->output, changed ? changed : text.data,
		      changed ? strlen(changed) : text.size, &written);
	if (w == 0 && text.size > CONFIG_MAX)
		w = pass_rest(options->input, options->output, &written);
	if (r == 0 && w < 0)
		*err = written;
	return r < 0 ? r : w;
}

/* Who may annotate a container of root's need not be root. */
static struct hook_bounds choose_bounds(const struct ctckpt_hook_options *options)
{
	bool is_root = registry_uid() == 0;
	struct hook_bounds bounds = {
		.below = is_root ? "/var/lib/ctckpt" : "/",
		.may_restore = !is_root || options->below,
		.least = is_root ? ROOT_LEAST : 1,
		.most = is_root ? ROOT_MOST : UINT32_MAX,
	};

	bounds.by_name = options->by_name;
	if (options->below)
		bounds.below = options->below;
	if (options->least > 0)
		bounds.least = (uint64_t)options->least;
	if (options->most > 0)
		bounds.most = (uint32_t)options->most;
	return bounds;
}

static int run(const struct ctckpt_hook_options *options, struct err *err)
{
	const struct hook_bounds bounds = choose_bounds(options);

	if (strcmp(options->stage, "precreate") == 0)
		return precreate(options, &bounds, err);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (strcmp(options->stage, stages[i].name) == 0)
			return run_stage(options, i, &bounds, err);
	}
	(void)err_set(err, ERR_USAGE, "there is no hook %.80s", options->stage);
	return err_hint(err, "createRuntime, poststart, poststop or precreate");
}

int ctckpt_oci_hook(const struct ctckpt_hook_options *options, struct err *err)
{
	int r;

	hook_take_environment();
	r = run(options, err);
	if (r < 0)
		hook_log("%s: %s%s%s", options->stage, err->text, err->hint[0] ? "; hint: " : "",
			 err->hint);
	return r;
}
