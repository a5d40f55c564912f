/* The lock lines of fdinfo. See lock_lines.h. */
#include "kind/support/lock_lines.h"

#include <stddef.h>
#include <string.h>

#include "core/scan.h"

#define PREFIX "lock:\t"

static const char *next_line(const char *at)
{
	const char *end = strchr(at, '\n');

	return end ? end + 1 : at + strlen(at);
}

const char *lock_line_first(const char *text)
{
	while (*text && strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		text = next_line(text);
	return *text ? text : NULL;
}

static bool scan_word(const char **at, const char *word)
{
	const char *p = *at;

	scan_blanks(&p);
	if (!scan_text(&p, word) || *p != ' ')
		return false;
	*at = p;
	return true;
}

static bool scan_type(const char **at, enum file_lock *ret_type)
{
	static const struct {
		const char *word;
		enum file_lock type;
	} types[] = {
		{ "POSIX", FILE_LOCK_POSIX },
		{ "FLOCK", FILE_LOCK_FLOCK },
		{ "OFDLCK", FILE_LOCK_OFD },
		{ "LEASE", FILE_LOCK_LEASE },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (scan_word(at, types[i].word)) {
			*ret_type = types[i].type;
			return true;
		}
	}
	return false;
}

/* The pid of whoever took it, -1 for OFD locks, and device:inode of the file. */
static bool scan_file(const char **at)
{
	uint64_t number;
	int64_t pid;

	scan_blanks(at);
	return scan_signed(at, INT32_MIN, INT32_MAX, &pid) && scan_char(at, ' ') &&
	       scan_number(at, 16, UINT32_MAX, &number) && scan_char(at, ':') &&
	       scan_number(at, 16, UINT32_MAX, &number) && scan_char(at, ':') &&
	       scan_number(at, 10, UINT64_MAX, &number);
}

static bool scan_range(const char **at, struct lock_line *line)
{
	line->end = INT64_MAX;
	scan_blanks(at);
	if (!scan_number(at, 10, INT64_MAX, &line->start) || !scan_char(at, ' '))
		return false;
	if (!scan_text(at, "EOF") && !scan_number(at, 10, INT64_MAX, &line->end))
		return false;
	return (**at == '\n' || **at == '\0') && line->start <= line->end;
}

static const char *mode_word(enum file_lock type)
{
	return type == FILE_LOCK_LEASE ? "ACTIVE" : "ADVISORY";
}

/* "lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 0 EOF", fs/locks.c: lock_get_status() */
static bool parse(const char *at, struct lock_line *line)
{
	uint64_t number;

	if (!scan_text(&at, PREFIX) || !scan_number(&at, 10, UINT64_MAX, &number) ||
	    !scan_char(&at, ':') || !scan_type(&at, &line->type) ||
	    !scan_word(&at, mode_word(line->type)))
		return false;
	line->is_write = scan_word(&at, "WRITE");
	if (!line->is_write && !scan_word(&at, "READ"))
		return false;
	return scan_file(&at) && scan_range(&at, line);
}

bool lock_line_next(const char **at, struct lock_line *ret_line)
{
	const char *text = lock_line_first(*at);
	struct lock_line line = { .type = FILE_LOCK_OTHER };

	if (!text)
		return false;
	if (!parse(text, &line))
		line = (struct lock_line){ .type = FILE_LOCK_OTHER };
	*ret_line = line;
	*at = next_line(text);
	return true;
}
