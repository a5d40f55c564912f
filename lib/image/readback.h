/* Checksums of blocks that are in a file. pread and not mmap: whoever may cut the file off
 * meanwhile could end us by SIGBUS. Private to lib/image. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct readback; /* one thread's */
struct readback *readback_new(int fd);
void readback_free(struct readback *readback);
static inline void readback_cleanup(struct readback **readback)
{
	readback_free(*readback);
}
#define auto_readback __attribute__((cleanup(readback_cleanup)))
/* ERR_DAMAGED if the file is shorter. */
int readback_block(struct readback *readback, uint64_t offset, size_t length, uint64_t *ret_sum,
		   struct err *err);
