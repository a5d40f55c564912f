/* Texts that somebody else chose, for a terminal: names, paths, what a container says. */
#pragma once

#include "core/buf.h"

/* Appends the text; what is not printable in it, or no UTF-8, as \xNN. The columns that it takes.
 */
int text_append_safe(struct buf *buf, const char *text);
