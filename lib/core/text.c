/* Texts of others, made harmless. See text.h. */
#include "core/text.h"

#include <stdbool.h>
#include <stdint.h>

/* The length of the UTF-8 sequence at `text`, and its character; 0 if it is none. */
static size_t decode_utf8(const unsigned char *text, uint32_t *ret_character)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = text[0] < 0x80		 ? 1
			: (text[0] >> 5) == 0x06 ? 2
			: (text[0] >> 4) == 0x0e ? 3
			: (text[0] >> 3) == 0x1e ? 4
						 : 0;
	uint32_t character = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (text[i] & 0x3f);
	}
	if (length == 0 || character < lowest[length] || character > 0x10ffff)
		return 0;
	*ret_character = character;
	return length;
}

/* Neither a control character nor one that turns the direction of writing or hides itself. */
static bool is_printable(uint32_t character)
{
	return character >= 0x20 && !(character >= 0x7f && character < 0xa0) &&
	       !(character >= 0x200b && character <= 0x200f) &&
	       !(character >= 0x2028 && character <= 0x202e) &&
	       !(character >= 0x2060 && character <= 0x206f) && character != 0xfeff &&
	       !(character >= 0xd800 && character <= 0xdfff);
}

int text_append_safe(struct buf *buf, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	int columns = 0;

	while (*at) {
		uint32_t character = 0;
		size_t length = decode_utf8(at, &character);

		if (length > 0 && is_printable(character)) {
			buf_append(buf, at, length);
			at += length;
			columns++;
		} else {
			buf_printf(buf, "\\x%02x", *at);
			at++;
			columns += 4;
		}
	}
	return columns;
}
