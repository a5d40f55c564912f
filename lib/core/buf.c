/* Growable buffers and arrays. See buf.h. */
#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	(void)fprintf(stderr, "ctckpt: out of memory\n");
	abort();
}

void *mem_resize(void *pointer, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	pointer = realloc(pointer, bytes ? bytes : 1);
	if (!pointer)
		out_of_memory();
	return pointer;
}

void *mem_alloc(size_t count, size_t size)
{
	void *pointer = calloc(count ? count : 1, size ? size : 1);

	if (!pointer)
		out_of_memory();
	return pointer;
}

void *mem_copy(const void *data, size_t size)
{
	char *copy = mem_resize(NULL, size + 1, 1);

	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

char *mem_string(const char *text)
{
	return mem_copy(text, strlen(text));
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		out_of_memory();
	return text;
}

void *array_grow_bytes(void *array, size_t count, size_t size)
{
	/* Full exactly at 0, 8, 16, 32, ... elements. */
	if (count == 0)
		return mem_resize(array, 8, size);
	if (count < 8 || (count & (count - 1)) != 0)
		return array;
	return mem_resize(array, count * 2, size);
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = BUF_EMPTY;
}

void buf_clear(struct buf *buf)
{
	buf->size = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

static void reserve(struct buf *buf, size_t size)
{
	size_t needed;

	if (__builtin_add_overflow(buf->size, size, &needed) ||
	    __builtin_add_overflow(needed, 1, &needed))
		out_of_memory();
	if (needed <= buf->capacity)
		return;
	if (needed < 2 * buf->capacity)
		needed = 2 * buf->capacity;
	if (needed < 256)
		needed = 256;
	buf->data = mem_resize(buf->data, needed, 1);
	buf->capacity = needed;
}

void *buf_append(struct buf *buf, const void *data, size_t size)
{
	char *place;

	reserve(buf, size);
	place = buf->data + buf->size;
	if (data)
		memcpy(place, data, size);
	else
		memset(place, 0, size);
	buf->size += size;
	buf->data[buf->size] = '\0';
	return place;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_list again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length > 0) {
		reserve(buf, (size_t)length);
		(void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
		buf->size += (size_t)length;
	}
	va_end(again);
}

void buf_align(struct buf *buf, size_t alignment)
{
	size_t over = buf->size & (alignment - 1);

	if (over)
		(void)buf_append(buf, NULL, alignment - over);
}

const void *array_find_id(const void *array, size_t count, size_t size, uint32_t id)
{
	const char *bytes = array;
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (*(const uint32_t *)(const void *)(bytes + middle * size) < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count || *(const uint32_t *)(const void *)(bytes + low * size) != id)
		return NULL;
	return bytes + low * size;
}
