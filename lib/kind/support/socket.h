/* What sockets of all families share: O_* flags, options of SOL_SOCKET, a classic BPF filter.
 *
 * A record of a socket begins with struct socket_rec, then come its options, then its filter, then
 * what the kind itself has. dump:
 *
 *	if (!socket_save(d, own_options, &body))
 *		return 0;
 *	buf_append(&body, ...);
 *
 * check: socket_check(&reader, ...) leaves the reader behind the common part. restore:
 *
 *	const struct socket_rec *socket = socket_take(&reader);
 *	fd = socket_make(socket, err);
 *	socket_restore_early(rs, fd, socket, own_options, err);	before bind and connect
 *	...
 *	socket_restore_options(rs, fd, socket, own_options, err);	at the very end
 */
#pragma once

#include "core/buf.h"
#include "kind/kind.h"
#include "kind/support/socket_option.h"

RECORDS_BEGIN
struct socket_rec {
	le32 flags; /* O_* */
	le32 netns; /* zero: the container's own network namespace */
	le32 family;
	le32 type; /* SOCK_*, without flags */
	le32 protocol;
	le32 options;	/* bytes of options that follow */
	le32 filter;	/* instructions of a classic BPF program behind them, 8 bytes each */
	le32 is_locked; /* 0 or 1: SO_LOCK_FILTER */
};
RECORDS_END
static_assert(sizeof(struct socket_rec) == 32, "image format");

/* ---- match and dump ---- */

/* Is it a socket of this family, type and protocol? -1 is any. */
bool socket_is(const struct target_fd *fd, int family, int type, int protocol);
/* An option of SOL_SOCKET; -1 if there is no such thing. */
int socket_number(int fd, int name);
/* Appends the common part of the socket at the cursor, with options of `own` (NULL: none) behind
 * those of SOL_SOCKET. False if something was blocked. */
bool socket_save(struct dump *d, const struct socket_option *own, struct buf *body);
/* The same for a socket that is not at the cursor, in `fd`, with these O_* flags. */
bool socket_save_fd(struct dump *d, int fd, uint32_t flags, const struct socket_option *own,
		    struct buf *body);

/* Puts another filter in the place of the one at the end of a common part that begins at `start`
 * and was just saved; NULL: none. */
void socket_replace_filter(struct buf *body, size_t start, const void *filter, size_t count);

/* ---- check: hostile bytes ---- */

/* Takes the common part. The kind itself looks at family, type and protocol. */
int socket_check(struct reader *reader, const struct socket_option *own,
		 const struct socket_rec **ret_socket, struct err *err);

/* ---- restore ---- */

/* The common part of a body that was checked. */
const struct socket_rec *socket_take(struct reader *reader);
/* A new socket, close-on-exec and non-blocking until its flags are set. */
int socket_make(const struct socket_rec *socket, int *ret_fd, struct err *err);
/* Options that an address or a connection depends on; SO_REUSEADDR is on until the end. */
int socket_restore_early(struct restore *rs, int fd, const struct socket_rec *socket,
			 const struct socket_option *own, struct err *err);
/* All options, then the filter, then the lock on it, then the O_* flags. */
int socket_restore_options(struct restore *rs, int fd, const struct socket_rec *socket,
			   const struct socket_option *own, struct err *err);
/* The saved value of a number of SOL_SOCKET. */
int socket_saved_number(const struct socket_rec *socket, int name, int otherwise);
