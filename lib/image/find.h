/* Private to lib/image. */
#pragma once

#include "image/image.h"

/* Sorts: fills image->index and image->order from image->records. */
void image_make_index(struct image *image);
