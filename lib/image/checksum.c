/* Checksums: the only door to xxhash. */
#include "image/checksum.h"

#include <stdlib.h>

/* Where the library was built with it: twice as fast, by AVX2 and AVX-512. */
#if __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

struct checksum_stream {
	XXH3_state_t *state; /* aligned to 64 by the library */
};

uint64_t checksum(const void *data, size_t size)
{
	return XXH3_64bits(data, size);
}

struct checksum_stream *checksum_stream_new(void)
{
	struct checksum_stream *stream = malloc(sizeof(*stream));

	if (!stream || !(stream->state = XXH3_createState()))
		abort();
	(void)XXH3_64bits_reset(stream->state);
	return stream;
}

void checksum_stream_free(struct checksum_stream *stream)
{
	if (!stream)
		return;
	(void)XXH3_freeState(stream->state);
	free(stream);
}

void checksum_stream_add(struct checksum_stream *stream, const void *data, size_t size)
{
	(void)XXH3_64bits_update(stream->state, data, size);
}

uint64_t checksum_stream_take(struct checksum_stream *stream)
{
	uint64_t sum = XXH3_64bits_digest(stream->state);

	(void)XXH3_64bits_reset(stream->state);
	return sum;
}
