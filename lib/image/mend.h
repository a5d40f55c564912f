/* Makes the checksums of altered image bytes right again: for tests that forge images, and for
 * fuzzers, which would not get past a checksum otherwise. Never used on the way of a restore. */
#pragma once

#include <stddef.h>

/* Alters only checksums, and as many of them as the bytes still have a place for: it follows the
 * lengths that it finds, within `size`. The index of a compressed page stream stays as it is. */
void image_mend(void *data, size_t size);
