/* Private to lib/image. */
#pragma once

#include "image/image.h"

/* ERR_REFUSED, and how to raise it, where `value` is more than the limit. */
int image_limit_check(const struct image_limits *limits, enum image_limit limit, uint64_t value,
		      struct err *err);

/* How often `stored` bytes are in `raw` bytes, rounded up, beyond what is free. */
static inline uint64_t image_ratio(uint64_t raw, uint64_t stored)
{
	return raw > IMAGE_RATIO_FREE ? (raw - IMAGE_RATIO_FREE + stored - 1) / stored : 0;
}
