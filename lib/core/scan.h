/* Takes numbers and characters from the front of a text. Nothing is skipped that was not asked
 * for, and a number that does not fit is a failure. On failure *at stays where it was. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool scan_char(const char **at, char wanted);
bool scan_text(const char **at, const char *wanted);
/* Spaces and tabs, also none. */
void scan_blanks(const char **at);
/* Digits of the base (8, 10, 16), at least one, at most `max`. No sign, no prefix. */
bool scan_number(const char **at, int base, uint64_t max, uint64_t *ret_value);
/* Decimal, with or without a minus sign. */
bool scan_signed(const char **at, int64_t min, int64_t max, int64_t *ret_value);
