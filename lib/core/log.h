/* Log lines on stderr: progress for users (info), details for developers (debug). */
#pragma once

enum log_level { LOG_LEVEL_QUIET, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* One line, no newline in the format, no addresses at info. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
