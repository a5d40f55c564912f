/* Numbers and characters from the front of a text. See scan.h. */
#include "core/scan.h"

#include <string.h>

bool scan_char(const char **at, char wanted)
{
	if (**at != wanted)
		return false;
	(*at)++;
	return true;
}

bool scan_text(const char **at, const char *wanted)
{
	size_t length = strlen(wanted);

	if (strncmp(*at, wanted, length) != 0)
		return false;
	*at += length;
	return true;
}

void scan_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		(*at)++;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

bool scan_number(const char **at, int base, uint64_t max, uint64_t *ret_value)
{
	const char *p = *at;
	uint64_t value = 0;

	for (int digit; (digit = digit_value(*p)) < base; p++) {
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value) || value > max)
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret_value = value;
	return true;
}

bool scan_signed(const char **at, int64_t min, int64_t max, int64_t *ret_value)
{
	const char *p = *at;
	bool is_negative = scan_char(&p, '-');
	uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	uint64_t magnitude;
	int64_t value;

	if (!scan_number(&p, 10, limit, &magnitude))
		return false;
	value = is_negative ? (int64_t)-magnitude : (int64_t)magnitude;
	if (value < min || value > max)
		return false;
	*at = p;
	*ret_value = value;
	return true;
}
