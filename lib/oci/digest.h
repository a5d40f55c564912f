/* SHA-256, by which OCI names what it stores. */
#pragma once

#include <stddef.h>

struct digest;
enum { DIGEST_SIZE = 65 }; /* as hexadecimal text, with a NUL */

struct digest *digest_new(void);
void digest_free(struct digest *digest);
static inline void digest_cleanup(struct digest **digest)
{
	digest_free(*digest);
}
#define auto_digest __attribute__((cleanup(digest_cleanup)))
void digest_add(struct digest *digest, const void *data, size_t size);
/* Of everything since the start, or since the last call. */
void digest_take(struct digest *digest, char ret_text[DIGEST_SIZE]);
