/* A victim builds some state, waits while it is checkpointed and restored, and verifies itself.
 *
 *	int fd = eventfd(7, 0);
 *
 *	EXPECT(fd >= 0);
 *	wait_for_restore();
 *	EXPECT(read(fd, &count, sizeof(count)) == sizeof(count) && count == 7);
 *	victim_done();
 *
 * It talks to the test through files in $VICTIM_DIR: `ready` appears when the state is built, `go`
 * lets it verify, `result` holds "ok" or the expectation that failed: nobody can wait for a
 * restored process. $VICTIM_DIR is read at the start of main, or by the first of these calls. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* Ends the victim as failed unless the condition holds. In every thread and process of it. */
#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			victim_fail("%s:%d: %s (errno: %s)", __FILE__, __LINE__, #condition,       \
				    strerror(errno));                                              \
	} while (0)

static inline const char *victim_dir(void)
{
	const char *dir = getenv("VICTIM_DIR");

	if (!dir) {
		(void)fputs("VICTIM_DIR is not set\n", stderr);
		_exit(1);
	}
	return dir;
}

/* The file appears whole, or not at all. The first result stays. */
static inline void victim_write(const char *name, const char *text)
{
	char path[PATH_MAX], draft[PATH_MAX + 64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	(void)snprintf(draft, sizeof(draft), "%s.%ld", path, (long)gettid());
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(1);
	(void)close(fd);
	(void)link(draft, path);
	(void)unlink(draft);
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void victim_fail(const char *format,
									       ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "%s\n", text);
	victim_write("result", text);
	_exit(1);
}

static inline bool victim_has_file(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", victim_dir(), name);
	return access(path, F_OK) == 0;
}

/* Waits for a file of the test's or another process's. Polls: whatever could announce the file
 * would itself be state to be saved. */
static inline void victim_wait_file(const char *name)
{
	while (!victim_has_file(name)) {
		struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

		(void)nanosleep(&pause, NULL);
	}
}

/* Says that the state is built, and returns once the test has checkpointed and restored. errno
 * is kept. */
static inline void wait_for_restore(void)
{
	int saved = errno;

	victim_write("ready", "");
	victim_wait_file("go");
	errno = saved;
}

/* All expectations held. Does not return. */
__attribute__((noreturn)) static inline void victim_done(void)
{
	victim_write("result", "ok");
	exit(0);
}
