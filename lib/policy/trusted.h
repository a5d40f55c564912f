/* Files that are believed: a policy, a plan. Nobody but the invoker or root may have written them.
 */
#pragma once

#include "core/buf.h"
#include "core/err.h"

enum trusted_owner {
	TRUSTED_OWN,  /* it belongs to the invoker, or to root */
	TRUSTED_ROOT, /* it belongs to root */
};

/* Reads a regular file of at most `limit` bytes. It must belong to whom it should and be writable
 * by nobody else, and nobody else may put another in its place: that goes for its directory as
 * well, unless that one is sticky. Never blocks. Links are followed on the way to its directory
 * only. -ENOENT if it is not there; else ERR_REFUSED or a negative errno. */
int trusted_read(const char *path, enum trusted_owner owner, size_t limit, struct buf *ret_text,
		 struct err *err);
