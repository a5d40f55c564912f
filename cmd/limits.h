/* Options of every command that reads images: how large they may be, and how they are read. */
#pragma once

#include "cli.h"
#include "image/image.h"

struct limit_settings {
	const char **limits;
	bool unconfined;
};

/* Two rows of a command's options; `settings` has a member `reading`, the above. */
#define LIMIT_OPTIONS(settings)                                                                    \
	{ "limit",     0,                                                                          \
	  "NAME=N",    "raise or lower a limit of images",                                         \
	  OPTION_LIST, offsetof(struct settings, reading.limits),                                  \
	  0,	       NULL },                                                                     \
	{                                                                                          \
		"unconfined-reader", 0, NULL, "read without a seccomp filter", OPTION_FLAG,        \
		    offsetof(struct settings, reading.unconfined), 0, NULL                         \
	}

/* Changes *limits as the settings say. */
int limits_apply(const struct limit_settings *settings, struct image_limits *limits,
		 struct err *err);
