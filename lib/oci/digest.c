/* SHA-256: the only door to nettle. */
#include "oci/digest.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"

struct digest {
	struct sha256_ctx context;
};

struct digest *digest_new(void)
{
	struct digest *digest = mem_alloc(1, sizeof(*digest));

	sha256_init(&digest->context);
	return digest;
}

void digest_free(struct digest *digest)
{
	free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
	sha256_update(&digest->context, size, data);
}

void digest_take(struct digest *digest, char ret_text[DIGEST_SIZE])
{
	unsigned char bytes[SHA256_DIGEST_SIZE];

	sha256_digest(&digest->context, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}
