/* Options of a socket that are altered for a moment: should we be killed in that moment, a process
 * of its own puts them back. It shares our descriptors, and waits for our end. */
#pragma once

#include "core/err.h"

struct putback;

int putback_begin(struct putback **ret_putback, struct err *err);
/* NULL is nothing. */
void putback_end(struct putback *putback);

enum { PUTBACK_MAX = 2 }; /* options at a time */

/* From now on, until putback_done(), the option of `fd` is to be `value` when we are gone. */
void putback_set(struct putback *putback, int fd, int level, int option, int value);
void putback_done(struct putback *putback);
