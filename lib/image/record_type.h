/* What is known of a record's tag. Told by lib/kind (kind.c), so that the reader of images depends
 * on no kind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "image/record.h"

struct image;

struct record_type {
	uint16_t version; /* the newest that is known */
	bool is_task;	  /* one a process or thread: counts against image_limits.tasks */
	/* May be NULL. */
	int (*check)(const void *body, size_t length, struct err *err);
	int (*link)(const struct image *image, const struct record *record, struct err *err);
};

/* False if no kind has this tag. */
bool record_type_find(uint32_t tag, struct record_type *ret_type);
