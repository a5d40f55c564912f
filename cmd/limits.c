/* Limits of images, as options. See limits.h. */
#include "limits.h"

int limits_apply(const struct limit_settings *settings, struct image_limits *limits,
		 struct err *err)
{
	int r = 0;

	for (const char **limit = settings->limits; r == 0 && limit && *limit; limit++)
		r = image_limits_parse(*limit, limits, err);
	limits->is_open = settings->unconfined;
	return r;
}
