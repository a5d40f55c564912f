/* What is at the other end of a TCP connection that is saved, and whether that can be. */
#pragma once

#include "kind/support/tcp_pair.h"
#include "kind/support/tcp_queues.h"

/* Of the socket at the cursor, whose record has its addresses. 0 if it is blocked. */
enum tcp_form tcp_form_find(struct dump *d, const struct tcp_queues *queues,
			    const struct tcp_info *info, const struct tcp_connection_rec *rec);
