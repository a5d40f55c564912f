/* What a cell does to verify a plain image. Private to lib/image, and for fuzzers. */
#pragma once

#include "image/image.h"

/* Outside: has the file the size that it must have? */
int verify_size(const struct image *image, struct err *err);
/* In a cell: index and trailer, and the blocks `part`, `part` + `parts` and so on. */
int verify_part(const struct image *image, size_t part, size_t parts, struct err *err);
