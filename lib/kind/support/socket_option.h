/* Socket options, by tables: one row says all that is known of one. A record has those that this
 * kernel knew when it was saved; a restore sets what differs from what the new socket has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "kind/kind.h"

enum option_form {
	OPTION_NUMBER, /* int */
	OPTION_BUFFER, /* int, doubled by the kernel when it is set */
	OPTION_LONG,   /* unsigned long */
	OPTION_LINGER, /* struct linger */
	OPTION_TIME,   /* struct timeval */
	OPTION_TEXT,   /* at most 15 bytes and a NUL */
	OPTION_BYTES,  /* up to 32 bytes, as they are */
};

enum option_rule {
	OPTION_PLAIN = 0,
	/* Needed before the socket has an address or a peer; set again at the end, if it is not as
	 * it was. Others would be in the way until then. */
	OPTION_EARLY = 1,
	/* What the invoker may not set is said by a note, and no error. */
	OPTION_SOFT = 2,
	/* Not again at the end, when it may have changed by itself. */
	OPTION_ONCE = 4,
	/* A size that may be larger: until the end, or if no program has set it. */
	OPTION_GROWS = 8,
};

struct socket_option {
	int level;
	int name;
	const char *text; /* for people; NULL ends a table */
	enum option_form form;
	int rules; /* enum option_rule */
};

#define SOCKET_OPTION_MAX 32 /* bytes of a value */

RECORDS_BEGIN
struct socket_option_rec {
	le16 level;
	le16 name;
	le32 length; /* of the value, which follows, with zeros up to a multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct socket_option_rec) == 8, "image format");

/* Appends all that the kernel tells of `fd`, in the order of the table. */
void socket_options_save(int fd, const struct socket_option *table, struct buf *body);
/* Hostile bytes: all of `options` are of these tables (the second may be NULL), in their order. */
int socket_options_check(const void *options, size_t size, const struct socket_option *first,
			 const struct socket_option *second, struct err *err);
/* Sets what differs: the early ones, or all. */
int socket_options_restore(struct restore *rs, int fd, const void *options, size_t size,
			   const struct socket_option *table, bool is_early, struct err *err);
/* The value of a saved number, or `otherwise`. */
int socket_options_number(const void *options, size_t size, int level, int name, int otherwise);
