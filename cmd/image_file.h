/* Images as commands name them: a path, or - for a pipe. */
#pragma once

#include <stdbool.h>

#include "core/err.h"

static inline bool image_is_pipe(const char *image)
{
	return image[0] == '-' && image[1] == '\0';
}

/* Refuses to read an image from, or write it to, a terminal. */
int image_check_input(const char *image, struct err *err);
int image_check_output(const char *image, struct err *err);
/* Opens for reading; standard input for -. Owned by the caller. */
int image_open(const char *image, int *ret_fd, struct err *err);
