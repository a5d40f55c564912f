/* A growable byte buffer, and growable arrays over plain pointers. Allocation failure is final:
 * the process says so and ends, because nothing sensible can be done in its middle. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; NUL-terminated whenever it is not NULL */
	size_t size;
	size_t capacity;
};

#define BUF_EMPTY ((struct buf){ .data = NULL })

void buf_free(struct buf *buf);
void buf_clear(struct buf *buf); /* keeps the memory */
/* Adds `size` bytes; NULL data adds zeros. Returns where they are, valid until the next change. */
void *buf_append(struct buf *buf, const void *data, size_t size);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds zeros up to a multiple of `alignment`, a power of two. */
void buf_align(struct buf *buf, size_t alignment);

#define auto_buf __attribute__((cleanup(buf_free)))

/* malloc, calloc, realloc, strdup that never return NULL; sizes are checked for overflow. */
void *mem_alloc(size_t count, size_t size); /* zeroed */
void *mem_resize(void *pointer, size_t count, size_t size);
void *mem_copy(const void *data, size_t size); /* with a NUL behind it */
char *mem_string(const char *text);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element in an array of `count`, which grows by doubling. `array` is an
 * lvalue; its capacity follows from its count, so it must only ever grow by this macro. */
#define array_grow(array, count) ((array) = array_grow_bytes((array), (count), sizeof(*(array))))
void *array_grow_bytes(void *array, size_t count, size_t size);
/* The first element with this id: `array` is sorted by ids, with which its elements begin. NULL if
 * there is none. */
const void *array_find_id(const void *array, size_t count, size_t size, uint32_t id);
