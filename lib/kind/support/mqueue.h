/* POSIX message queues: files on the mqueue file system of an ipc namespace, mq_overview(7). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kind/kind.h"

#define TAG_POSIX_MQ TAG('P', 'M', 'S', 'Q')

/* A queue while it is dumped. */
struct dump_queue {
	dev_t dev;
	ino_t inode;
	uint32_t id;
	int fd; /* ours, for reading and writing */
	/* A process that is to be told of the next message, as we see it; 0: none. */
	pid_t notified;
	int how;    /* SIGEV_* */
	int signal; /* SIGEV_SIGNAL */
};

/* An open description of a queue? */
bool mqueue_is(const struct target_fd *fd);
/* Dump: the queue behind the descriptor at the cursor; 0 in *ret_id if that was blocked. */
int posix_mq_of_file(struct dump *d, uint32_t *ret_id, struct err *err);
void posix_mq_free(struct dump_private *own);

/* Dump: the mqueue file system of the ipc namespace that we are in. -ENODEV: this kernel has none.
 */
int mqueue_mount(int *ret_dir, struct err *err);

/* All messages of a queue, as they follow its record. They are taken out and put back, by a process
 * of its own, which nothing that happens to us ends. */
int mqueue_copy(int fd, struct buf *messages, struct err *err);

RECORDS_BEGIN
struct mqueue_message_rec {
	le32 priority;
	le32 size; /* of the bytes that follow, up to a multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct mqueue_message_rec) == 8, "image format");

#define MQUEUE_MESSAGES_MAX (1u << 16)	/* HARD_MSGMAX, linux/ipc_namespace.h */
#define MQUEUE_SIZE_MAX	    (16u << 20) /* HARD_MSGSIZEMAX */
