/* What a task does to a description for all who share it: by which descriptor, and whether it may.
 */
#pragma once

#include "kind/kind.h"

/* dump: is it restored as the invoker's own, not as the file that it was? */
bool holder_is_outside(const struct dump *d, uint32_t file);
/* link: the file under `number` in a descriptor table; 0 if there is none that is the container's.
 */
uint32_t holder_file(const struct image *image, const struct record *table, uint32_t number);
/* finish: "/srv/db", or "descriptor 3" where that cannot be read. Owned. */
char *holder_file_name(const struct restore *rs, uint32_t number);
