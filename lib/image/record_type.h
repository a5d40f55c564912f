/* What is known of a record's tag. Told by lib/kind (kind.c), so that the reader of images depends
 * on no kind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "image/image.h"

/* What records hold beside themselves, all in all. */
struct image_counts {
	uint64_t mappings;
	uint64_t descriptors;
};

struct record_type {
	uint16_t version;	    /* the newest that is known */
	enum image_limit counts_as; /* each record counts against this limit; LIMIT_COUNT: none */
	/* May be NULL. */
	void (*count)(const void *body, size_t length, struct image_counts *counts);
	int (*check)(const void *body, size_t length, struct err *err);
	int (*link)(const struct image *image, const struct record *record, struct err *err);
};

/* False if no kind has this tag. */
bool record_type_find(uint32_t tag, struct record_type *ret_type);
