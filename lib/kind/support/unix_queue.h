/* What waits in a unix socket: the kind unix_queue, for those who need it. */
#pragma once

#include "kind/support/unix_make.h"
#include "kind/support/unix_save.h"

/* In fd/unix_queue.c: writes the record of a socket that was collected. */
void unix_queue_dump(struct dump *d, const struct unix_socket *own, const struct unix_bond *bond);

/* A queue's record, taken apart. */
struct unix_queue_parts {
	const struct unix_queue_rec *rec;
	const le32 *waiting;
	struct reader messages;
};
void unix_queue_parts(const struct record *record, struct unix_queue_parts *ret_parts);

struct unix_message_parts {
	const struct unix_message_rec *rec;
	const le32 *files;
	const void *data;
};
/* The next of them; false at the end, or if it is cut. */
bool unix_message_next(struct reader *messages, struct unix_message_parts *ret_parts);

/* In support/unix_fill.c: connects whom is still to be connected, fills all queues, and sets what
 * is in the way until then. Once, when all objects exist. */
int unix_fill_all(struct restore *rs, struct err *err);
