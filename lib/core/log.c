/* Log lines on stderr. See log.h. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/text.h"

static enum log_level log_level = LOG_LEVEL_QUIET;

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

/* One write a line, so that lines of two processes do not mix. */
static void print_line(const char *format, va_list args)
{
	auto_buf struct buf safe = BUF_EMPTY;
	char line[2048];

	(void)vsnprintf(line, sizeof(line), format, args);
	(void)text_append_safe(&safe, line);
	(void)fprintf(stderr, "ctckpt: %s\n", safe.data ? safe.data : "");
}

void log_info(const char *format, ...)
{
	va_list args;

	if (log_level < LOG_LEVEL_INFO)
		return;
	va_start(args, format);
	print_line(format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (log_level < LOG_LEVEL_DEBUG)
		return;
	va_start(args, format);
	print_line(format, args);
	va_end(args);
}
