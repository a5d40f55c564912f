/* Connections that lead out of the container, held still while they are saved.
 *
 * A filter on each socket drops whatever comes, before TCP sees it: nothing is confirmed, nothing
 * refused, as if the network had lost it, and the other end sends it again. A process of its own,
 * the keeper, puts the filters there, and takes them away when it is told to, or when we are dead.
 *
 * Of a container that is to end, the connections are silenced: their sockets are put into repair
 * mode, in which closing says nothing, and rules of the network namespace send nothing to the other
 * end any more: neither an end nor a reset.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct tcp_hold;

/* Why a socket cannot be held: NULL if it can. */
const char *tcp_hold_fault(int fd);
/* Holds these sockets, which it makes no copies of. */
int tcp_hold_start(const int *fds, size_t count, struct tcp_hold **ret_hold, struct err *err);
/* The filter that the program itself has on the socket with this index. */
const struct sock_filter *tcp_hold_filter(const struct tcp_hold *hold, size_t index,
					  size_t *ret_count);
/* The container is about to be ended. */
int tcp_hold_silence(struct tcp_hold *hold, struct err *err);
/* All as it was; if the container is over, it stays silent. Waits for the keeper. NULL is none. */
void tcp_hold_free(struct tcp_hold *hold, bool is_over);
