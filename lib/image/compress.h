/* Blocks of the page stream, compressed and back. */
#pragma once

#include <stddef.h>

#include "core/err.h"
#include "image/image.h"

/* One thread's working memory. */
struct compressor;
/* Level 0 is the library's default; lz4 has no other. */
struct compressor *compressor_new(enum image_compression compression, int level);
void compressor_free(struct compressor *compressor);
/* At most size - 1 bytes to `out`; *ret_size 0 if the block does not shrink. */
void compressor_pack(struct compressor *compressor, const void *data, size_t size, void *out,
		     size_t *ret_size);

struct decompressor;
struct decompressor *decompressor_new(enum image_compression compression);
void decompressor_free(struct decompressor *decompressor);
/* Exactly out_size bytes from all of `data`; ERR_DAMAGED else. Never writes beyond. */
int decompressor_unpack(struct decompressor *decompressor, const void *data, size_t size, void *out,
			size_t out_size, struct err *err);
