/* Patterns over paths and names, as policy files have them:
 *   *    any characters but the slash
 *   **   any characters
 *   ?    one character but the slash
 *   \x   the character x; \xNN the byte with this number in hexadecimal
 * A pattern stands for the whole text. Bytes are characters. */
#pragma once

#include <stdbool.h>

#include "core/buf.h"

/* Ends it in the middle of an escape? */
bool pattern_is_valid(const char *pattern);
bool pattern_matches(const char *pattern, const char *text);
/* Appends the pattern that only `text` matches. */
void pattern_quote(const char *text, struct buf *out);
