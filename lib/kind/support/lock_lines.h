/* The "lock:" lines of fdinfo, proc(5): the locks that were taken through a descriptor; those of
 * fcntl(F_SETLK) only in the process that owns them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum file_lock {
	FILE_LOCK_POSIX, /* fcntl(F_SETLK): of a process */
	FILE_LOCK_FLOCK, /* flock(2): of an open file description */
	FILE_LOCK_OFD,	 /* fcntl(F_OFD_SETLK): likewise */
	FILE_LOCK_LEASE, /* fcntl(F_SETLEASE): likewise */
	FILE_LOCK_OTHER, /* what is not known, and leases that are being broken */
};

struct lock_line {
	enum file_lock type;
	bool is_write;
	uint64_t start;
	uint64_t end; /* the last byte; INT64_MAX: however long the file becomes */
};

/* Where the first lock line is; NULL if there is none. */
const char *lock_line_first(const char *text);
/* The next lock line; *at, which must be the start of a line, is moved behind it. False at the end.
 */
bool lock_line_next(const char **at, struct lock_line *ret_line);
