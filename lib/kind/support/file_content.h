/* Content of files that have no name: saved by value, holes stay holes. */
#pragma once

#include "kind/kind.h"

/* Queues the content of the regular file at the cursor for object `id`. Blocks when it cannot be
 * read. */
void file_content_dump(struct dump *d, uint32_t id);
/* Queues the content of the readable file `fd` (taken over) of `size` bytes. Returns whether there
 * is any, or a negative errno. Holes are not looked for in a description that the container shares:
 * its position would move. */
int file_content_take(struct dump *d, uint32_t id, int fd, bool is_shared, uint64_t size);
/* The extents of object `id`, if it has any, lie in a file of `size` bytes. */
int file_content_link(const struct image *image, uint32_t id, uint64_t size, struct err *err);
/* Lets the content of object `id`, if it has any, come into the file `fd` (borrowed, writable). */
int file_content_restore(struct restore *rs, uint32_t id, int fd, struct err *err);
