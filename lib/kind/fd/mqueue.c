/* mqueue: open descriptions of POSIX message queues. The queues are container/posix_mq.c. */
#include "kind/support/mqueue.h"
#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "restore/open.h"

extern const struct kind kind_mqueue;

RECORDS_BEGIN
struct mqueue_rec {
	le32 queue; /* id of its record */
	le32 flags;
};
RECORDS_END
static_assert(sizeof(struct mqueue_rec) == 8, "image format");

static bool mqueue_match(const struct target_fd *fd)
{
	return mqueue_is(fd);
}

static int mqueue_dump(struct dump *d, struct err *err)
{
	struct mqueue_rec rec = { .flags = le32_make(file_flags(d->fd)) };
	uint32_t queue;
	int r;

	if (file_block_extras(d))
		return 0;
	r = posix_mq_of_file(d, &queue, err);
	if (r < 0 || queue == 0)
		return r;
	rec.queue = le32_make(queue);
	dump_record(d, d->fd->id, &kind_mqueue, &rec, sizeof(rec));
	return 0;
}

static int mqueue_check(const void *body, size_t length, struct err *err)
{
	const struct mqueue_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "mqueue: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "mqueue: unknown flags");
	return 0;
}

static int mqueue_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct mqueue_rec *rec = record->body;

	if (!image_find(image, TAG_POSIX_MQ, le32_get(rec->queue)))
		return err_set(err, ERR_DAMAGED, "mqueue: queue %u is not in the image",
			       le32_get(rec->queue));
	return 0;
}

static int mqueue_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct mqueue_rec *rec = record->body;
	auto_close int fd = -1;
	int r = restore_reopen(rs, restore_fd(rs, le32_get(rec->queue)), le32_get(rec->flags), &fd,
			       err);

	if (r < 0)
		return err_wrap(err, "message queue");
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_mqueue = {
	.name = "mqueue",
	.summary = "descriptors of POSIX message queues",
	.needs = "posix_mq",
	.tag = TAG('M', 'Q', 'U', 'E'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = mqueue_match,
	.dump = mqueue_dump,
	.check = mqueue_check,
	.link = mqueue_link,
	.restore = mqueue_restore,
};
