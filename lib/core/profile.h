/* What seccomp profiles in JSON say, as far as that is not about filters: see confine.h. Whatever
 * is not understood is an error. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json.h"

/* An object with no other keys than these; errors call it `where`. */
int profile_check_keys(const struct json *object, const char *const known[], const char *where,
		       struct err *err);
/* A member that may be missing; *ret_number stays then. */
int profile_number(const struct json *object, const char *key, uint64_t max, uint64_t *ret_number,
		   struct err *err);
/* Rules say what a denied call answers as a number, by name, or not at all. */
int profile_errno(const struct json *object, const char *number_key, const char *name_key,
		  uint64_t *ret_number, struct err *err);
/* Does a rule's "includes" or "excludes" match? */
int profile_match(const struct json *condition, bool is_include, bool *ret_matches,
		  struct err *err);
