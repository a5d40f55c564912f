/* Looking at images without restoring them: nothing is created, nothing printed. Needs no
 * privilege, and never trusts the image. */
#pragma once

#include <stdint.h>

#include "core/err.h"
#include "image/image.h"

struct ctckpt_verify_result {
	enum image_compression compression;
	uint64_t created;	/* seconds since the epoch */
	uint64_t records;	/* unknown optional ones too */
	uint64_t unknown;	/* of these */
	uint64_t metadata_size; /* bytes */
	uint64_t pages_size;	/* bytes, uncompressed */
	uint64_t image_size;	/* bytes */
};

/* Checks every byte of an image: records, pages, and that nothing is missing or behind it. `path`
 * "-" reads from fd, which may be a pipe; NULL likewise, and errors name nothing. `limits` NULL:
 * image_default_limits. ERR_DAMAGED: exit status 4. */
int ctckpt_verify(const char *path, int fd, const struct image_limits *limits,
		  struct ctckpt_verify_result *ret_result, struct err *err);
