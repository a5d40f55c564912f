/* Errors. See err.h. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(char *buffer, size_t size, const char *text)
{
	size_t used = strlen(buffer);

	(void)snprintf(buffer + used, size - used, "%s", text);
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	err->code = code;
	err->hint[0] = '\0';
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);

	if (code < 0 && code > -4096 && code != ERR_DAMAGED) {
		append(err->text, sizeof(err->text), ": ");
		append(err->text, sizeof(err->text), strerror(-code));
	}
	return code;
}

int err_wrap(struct err *err, const char *format, ...)
{
	char front[sizeof(err->text)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(front, sizeof(front), format, args);
	va_end(args);

	append(front, sizeof(front), ": ");
	append(front, sizeof(front), err->text);
	memcpy(err->text, front, sizeof(front));
	return err->code;
}

int err_hint(struct err *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	return err->code;
}

int err_exit_status(int code)
{
	switch (code) {
	case 0:
		return 0;
	case ERR_USAGE:
		return 2;
	case ERR_REFUSED:
	case ERR_MOMENT:
		return 3;
	case ERR_DAMAGED:
		return 4;
	case ERR_HOST:
		return 5;
	default:
		return 1;
	}
}
