/* Header and records in memory. Private to lib/image. */
#pragma once

#include "image/format.h"

/* Checks the header, also against image->limits, and takes the sizes from it. */
int metadata_take_header(struct image *image, const struct image_header *header, struct err *err);
/* Checks image->metadata, whole, and finds the records in it. */
int metadata_take_records(struct image *image, struct err *err);
