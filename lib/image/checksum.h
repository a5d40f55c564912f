/* XXH3-64. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t checksum(const void *data, size_t size);

/* Over bytes that come in pieces. */
struct checksum_stream;
struct checksum_stream *checksum_stream_new(void);
void checksum_stream_free(struct checksum_stream *stream);
static inline void checksum_stream_cleanup(struct checksum_stream **stream)
{
	checksum_stream_free(*stream);
}
#define auto_checksum __attribute__((cleanup(checksum_stream_cleanup)))
void checksum_stream_add(struct checksum_stream *stream, const void *data, size_t size);
/* The checksum of everything since the start, or since the last call. */
uint64_t checksum_stream_take(struct checksum_stream *stream);
