/* Little-endian integers of the image. They are structs, so that a plain integer in their place
 * does not compile, and have no alignment of their own beyond their size. */
#pragma once

#include <endian.h>
#include <stdint.h>

typedef struct {
	uint16_t raw;
} le16;
typedef struct {
	uint32_t raw;
} le32;
typedef struct {
	uint64_t raw;
} le64;

static inline uint16_t le16_get(le16 v)
{
	return le16toh(v.raw);
}
static inline uint32_t le32_get(le32 v)
{
	return le32toh(v.raw);
}
static inline uint64_t le64_get(le64 v)
{
	return le64toh(v.raw);
}
static inline le16 le16_make(uint16_t v)
{
	return (le16){ htole16(v) };
}
static inline le32 le32_make(uint32_t v)
{
	return (le32){ htole32(v) };
}
static inline le64 le64_make(uint64_t v)
{
	return (le64){ htole64(v) };
}

/* Signed values travel as their two's complement. */
static inline int32_t les32_get(le32 v)
{
	return (int32_t)le32_get(v);
}
static inline int64_t les64_get(le64 v)
{
	return (int64_t)le64_get(v);
}
