/* Errors: a fixed-size object on the stack of whoever asks; nothing to free, nothing to leak.
 *
 * Whoever meets a failure says it once with err_set(); callers put what they were doing in front
 * with err_wrap(), or pass it on. Codes are negative errno values, for which the system's own
 * words are appended, or one of enum err_code, which carry their whole sentence. */
#pragma once

#include <errno.h>
#include <stddef.h>

enum err_code {
	ERR_DAMAGED = -EBADMSG, /* image bytes are wrong: exit status 4 */
	ERR_FAILED = -5001,	/* failed; the text says all: 1 */
	ERR_USAGE = -5002,	/* the command line is wrong: 2 */
	ERR_REFUSED = -5003,	/* refused by policy, or not supported: 3 */
	ERR_MOMENT = -5004,	/* refused for what is there for a moment only: 3 */
	ERR_HOST = -5005,	/* this host lacks something needed: 5 */
};

struct err {
	int code; /* 0: no error */
	char text[1024];
	char hint[512]; /* a remedy, or empty */
};

#define ERR_NONE ((struct err){ .code = 0 })

/* All three return err->code, so that `return err_set(...)` works. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "format: " in front of the text. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status that belongs to a code: 0, 1, 2, 3, 4 or 5. */
int err_exit_status(int code);
