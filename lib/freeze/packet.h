/* What goes over a holder's socket. For lib/freeze only. Both ends are the same program of the
 * same user, or root; the peer is checked before a byte is read. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct packet_request {
	uint32_t verb; /* enum holder_verb */
	uint32_t fd_count;
};

struct packet_reply {
	int32_t code;
	uint32_t reserved;
	uint64_t size; /* of what follows, in packets of PACKET_PIECE */
	struct err err;
};

#define PACKET_PIECE	 (32u << 10)
#define PACKET_REPLY_MAX (64u << 20)

/* An address for a path of any length, by way of its directory: keep the descriptor open as long
 * as the address is used. */
struct sockaddr_un;
int packet_address(const char *path, struct sockaddr_un *ret_address, int *ret_dir,
		   struct err *err);
/* Is the other end ours, or root's? -EPERM otherwise. */
int packet_check_peer(int fd, struct err *err);

int packet_send_request(int fd, uint32_t verb, const void *body, size_t size, const int *fds,
			size_t fd_count, struct err *err);
/* `fds` has room for HOLDER_FDS_MAX; they are the caller's to close, also on failure. */
int packet_receive_request(int fd, uint32_t *ret_verb, struct buf *body, int *fds,
			   size_t *ret_fd_count, struct err *err);
int packet_send_reply(int fd, int code, const struct err *reason, const struct buf *body,
		      struct err *err);
/* Returns the code of the reply, with its reason in *err. */
int packet_receive_reply(int fd, struct buf *body, struct err *err);
