/* Compression: the only door to lz4 and zstd. */
#include "image/compress.h"

#include <limits.h>
#include <lz4.h>
#include <stdlib.h>
#include <zstd.h>

struct compressor {
	enum image_compression compression;
	int level;
	ZSTD_CCtx *zstd;
	char *lz4; /* owned: its hash table */
};

struct decompressor {
	enum image_compression compression;
	ZSTD_DCtx *zstd;
};

struct compressor *compressor_new(enum image_compression compression, int level)
{
	struct compressor *compressor = mem_alloc(1, sizeof(*compressor));

	compressor->compression = compression;
	compressor->level = level;
	if (compression == IMAGE_LZ4)
		compressor->lz4 = mem_alloc(1, (size_t)LZ4_sizeofState());
	if (compression == IMAGE_ZSTD) {
		compressor->zstd = ZSTD_createCCtx();
		if (!compressor->zstd)
			abort();
	}
	return compressor;
}

void compressor_free(struct compressor *compressor)
{
	if (!compressor)
		return;
	(void)ZSTD_freeCCtx(compressor->zstd);
	free(compressor->lz4);
	free(compressor);
}

void compressor_pack(struct compressor *compressor, const void *data, size_t size, void *out,
		     size_t *ret_size)
{
	size_t packed = 0;
	int lz4;

	assert(size > 0 && size <= INT_MAX);
	if (compressor->compression == IMAGE_LZ4) {
		lz4 = LZ4_compress_fast_extState(compressor->lz4, data, out, (int)size,
						 (int)size - 1, 1);
		packed = lz4 > 0 ? (size_t)lz4 : 0;
	} else {
		packed = ZSTD_compressCCtx(compressor->zstd, out, size - 1, data, size,
					   compressor->level);
		if (ZSTD_isError(packed))
			packed = 0;
	}
	*ret_size = packed;
}

struct decompressor *decompressor_new(enum image_compression compression)
{
	struct decompressor *decompressor = mem_alloc(1, sizeof(*decompressor));

	decompressor->compression = compression;
	if (compression == IMAGE_ZSTD) {
		decompressor->zstd = ZSTD_createDCtx();
		if (!decompressor->zstd)
			abort();
	}
	return decompressor;
}

void decompressor_free(struct decompressor *decompressor)
{
	if (!decompressor)
		return;
	(void)ZSTD_freeDCtx(decompressor->zstd);
	free(decompressor);
}

int decompressor_unpack(struct decompressor *decompressor, const void *data, size_t size, void *out,
			size_t out_size, struct err *err)
{
	size_t unpacked;
	int lz4;

	assert(size <= INT_MAX && out_size <= INT_MAX);
	if (decompressor->compression == IMAGE_LZ4) {
		lz4 = LZ4_decompress_safe(data, out, (int)size, (int)out_size);
		if (lz4 < 0)
			return err_set(err, ERR_DAMAGED, "not lz4");
		unpacked = (size_t)lz4;
	} else {
		unpacked = ZSTD_decompressDCtx(decompressor->zstd, out, out_size, data, size);
		if (ZSTD_isError(unpacked))
			return err_set(err, ERR_DAMAGED, "zstd: %s", ZSTD_getErrorName(unpacked));
	}
	if (unpacked != out_size)
		return err_set(err, ERR_DAMAGED, "%zu bytes instead of %zu", unpacked, out_size);
	return 0;
}
