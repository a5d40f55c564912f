/* Seccomp filters: from profiles in the JSON format that Docker and Podman read, and one for
 * ourselves. */
#pragma once

#include <stddef.h>

#include "core/err.h"
#include "core/filter.h"

/* For a command that starts with all capabilities of its user namespace. System calls that this
 * host's libseccomp does not know are passed over, as other engines do; anything else that is not
 * understood is an error: a filter that lets more pass than was asked for is none. */
int confine_compile(const char *text, size_t size, struct filter *ret_filter, struct err *err);

/* For a process that works on an enemy's bytes: from here on it can read, write to `channel` (-1:
 * to nothing), use memory that is not executable, and end. All else kills it at once. ERR_HOST
 * where that cannot be had. */
int confine_self(int channel, struct err *err);
