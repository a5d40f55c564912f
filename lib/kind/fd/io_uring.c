/* io_uring: rings that are idle: made again, with as many requests as they have had, and their
 * memory. Where they are mapped: memory/io_uring_map.c. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/uring.h"
#include "restore/open.h"

extern const struct kind kind_io_uring;

RECORDS_BEGIN
struct io_uring_rec {
	le32 flags;		    /* of the descriptor */
	le32 setup;		    /* IORING_SETUP_* that is known */
	le32 sq_entries;	    /* a power of 2 */
	le32 cq_entries;	    /* likewise */
	le32 requests;		    /* that it has had, and completions */
	le32 unread;		    /* of these, completions that nobody has taken */
	struct uring_layout layout; /* of the memory that follows */
	le32 rings_size;	    /* bytes of it: counters and completions */
	le32 requests_size;	    /* bytes that follow those: requests */
};
RECORDS_END
static_assert(sizeof(struct io_uring_rec) == 88, "image format");

static bool io_uring_match(const struct target_fd *fd)
{
	return uring_is_link(fd->link);
}

/* ---- dump ---- */

static bool is_momentary(const struct uring_info *info)
{
	return info->has_overflow || info->polls > 0 ||
	       (int32_t)(info->requests - info->completions) > 0;
}

/* What is still to come. */
static bool block_flight(struct dump *d, const struct uring_info *info)
{
	static const char remedy[] = "let the program wait for them";
	uint32_t flight = info->requests - info->completions;

	if (info->polls > 0)
		(void)dump_block(d, remedy,
				 "io_uring: %u requests wait for descriptors, the first with "
				 "operation %u",
				 info->polls, info->poll_code);
	else if (info->has_overflow)
		(void)dump_block(d, "let the program take them",
				 "io_uring: completions wait for room in its ring");
	else if ((int32_t)flight > 0)
		(void)dump_block(
		    d, remedy, "io_uring: %u requests are in flight, or had no completion", flight);
	else if (flight != 0)
		(void)dump_block(d, NULL,
				 "io_uring: there were more completions than requests: one that "
				 "has several may be in flight");
	else
		return false;
	if (is_momentary(info))
		dump_block_is_momentary(d);
	return true;
}

static const char *find_registered(const struct uring_info *info)
{
	if (info->has_thread)
		return "a thread of the kernel serves it (IORING_SETUP_SQPOLL)";
	if (info->files > 0)
		return "files are registered with it";
	if (info->buffers > 0)
		return "buffers are registered with it";
	if (info->has_personalities)
		return "personalities are registered with it";
	return info->has_napi ? "it polls the network (IORING_REGISTER_NAPI)" : NULL;
}

/* Requests of such a program are read in another form, as the kernel has noted when it was made. */
static bool is_of_32_bits(const struct dump *d)
{
	const struct dump_task *task = NULL;

	while ((task = dump_next_task(d, task))) {
		for (size_t i = 0; i < task->slot_count && task->thread_count > 0; i++) {
			if (task->slots[i].file == d->fd->id &&
			    remote_is_32(&task->threads[0].remote))
				return true;
		}
	}
	return false;
}

static uint64_t saved_requests(const struct dump *d)
{
	const struct dump_entry *entries = (const void *)d->own->records.data;
	uint64_t sum = 0;

	for (size_t i = 0; i < d->own->record_count; i++) {
		if (entries[i].tag == TAG_URING)
			sum += le32_get(((const struct io_uring_rec *)entries[i].body)->requests);
	}
	return sum;
}

static void write_record(struct dump *d, const struct uring *ring, const struct uring_info *info)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct io_uring_rec rec = {
		.flags = le32_make(file_flags(d->fd)),
		.setup = le32_make(ring->parameters.flags & URING_SETUP_ALL),
		.sq_entries = le32_make(info->sq_entries),
		.cq_entries = le32_make(info->cq_entries),
		.requests = le32_make(info->requests),
		.unread = le32_make(info->completions - info->cq_head),
		.layout = uring_layout_of(ring),
		.rings_size = le32_make((uint32_t)ring->rings_size),
		.requests_size = le32_make((uint32_t)ring->requests_size),
	};

	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, ring->rings, ring->rings_size);
	(void)buf_append(&body, ring->requests, ring->requests_size);
	dump_record(d, d->fd->id, &kind_io_uring, body.data, body.size);
}

static const char *find_damage(const struct uring_info *info)
{
	if (info->sq_tail - info->requests > info->sq_entries)
		return "it has no place for its unsubmitted requests";
	if (info->completions - info->cq_head > info->cq_entries)
		return "it has no place for its completions";
	if (info->cq_head > info->completions)
		return "its counters have gone round";
	return NULL;
}

static int block_unsupported(struct dump *d, const char *reason)
{
	return dump_block(d, NULL, "io_uring: %s, which is not supported", reason);
}

/* One that is idle: asking it a question could move completions that wait for room. */
static int dump_idle(struct dump *d, const struct uring *ring, const struct uring_info *info)
{
	const char *reason = uring_find_unsupported(ring);
	const char *hidden = uring_find_hidden(ring);

	if (!reason)
		reason = find_damage(info);
	if (reason)
		return block_unsupported(d, reason);
	if (hidden)
		return dump_block(d, NULL, "io_uring: it has had %s: one may be in flight", hidden);
	if (saved_requests(d) + info->requests > URING_REQUESTS_MAX)
		return dump_block(d, "restart the program",
				  "io_uring: its rings have had more than %u requests",
				  URING_REQUESTS_MAX);
	write_record(d, ring, info);
	return 0;
}

static int io_uring_dump(struct dump *d, struct err *err)
{
	auto_with(uring_free) struct uring ring = URING_NONE;
	struct uring_info info;
	struct err reason = ERR_NONE;
	int r;

	(void)err;
	if (file_block_extras(d))
		return 0;
	if (d->fd->is_in_flight)
		return dump_block(d, "let the program receive it first",
				  "a ring of io_uring in flight is not supported");
	r = uring_info_read(d->fd->fd, &info, &reason);
	if (r < 0)
		return dump_block(d, NULL, "io_uring: %s", reason.text);
	if (find_registered(&info))
		return block_unsupported(d, find_registered(&info));
	if (is_of_32_bits(d))
		return block_unsupported(d, "it is a ring of a program of 32 bits");
	if (block_flight(d, &info))
		return 0;
	r = uring_find_setup(d->fd->fd, &info, &ring, &reason);
	return r < 0 ? dump_block(d, NULL, "io_uring: %s", reason.text)
		     : dump_idle(d, &ring, &info);
}

/* ---- check ---- */

static bool is_power(uint32_t number, uint32_t max)
{
	return number > 0 && number <= max && (number & (number - 1)) == 0;
}

static int io_uring_check(const void *body, size_t length, struct err *err)
{
	const struct io_uring_rec *rec = body;
	uint32_t setup, sq_entries, cq_entries;
	uint64_t rings_size;
	uint64_t completions_size;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "io_uring: %zu bytes", length);
	setup = le32_get(rec->setup);
	sq_entries = le32_get(rec->sq_entries);
	cq_entries = le32_get(rec->cq_entries);
	rings_size = le32_get(rec->rings_size);
	if (!file_flags_are_valid(le32_get(rec->flags)) || setup & ~URING_SETUP_ALL)
		return err_set(err, ERR_DAMAGED, "io_uring: unknown bits");
	if (!is_power(sq_entries, URING_SQ_MAX) || !is_power(cq_entries, URING_CQ_MAX) ||
	    cq_entries < sq_entries || le32_get(rec->unread) > cq_entries ||
	    le32_get(rec->unread) > le32_get(rec->requests))
		return err_set(err, ERR_DAMAGED, "io_uring: %u requests, %u completions, %u unread",
			       sq_entries, cq_entries, le32_get(rec->unread));
	completions_size = cq_entries * uring_completion_size(setup);
	if (rings_size < completions_size ||
	    rings_size - completions_size > URING_HEAD_MAX + sq_entries * sizeof(uint32_t) ||
	    le32_get(rec->requests_size) != sq_entries * uring_request_size(setup) ||
	    length != sizeof(*rec) + rings_size + le32_get(rec->requests_size))
		return err_set(err, ERR_DAMAGED, "io_uring: %zu bytes for %u requests", length,
			       sq_entries);
	return 0;
}

/* Looked at once, by the first. */
static int io_uring_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *other = NULL;
	uint64_t sum = 0;

	if (image_next(image, TAG_URING, NULL) != record)
		return 0;
	while ((other = image_next(image, TAG_URING, other))) {
		const struct io_uring_rec *rec = other->body;

		sum += le32_get(rec->requests);
	}
	if (sum > URING_REQUESTS_MAX)
		return err_set(err, ERR_DAMAGED, "io_uring: %" PRIu64 " requests in all", sum);
	return 0;
}

/* ---- restore ---- */

static bool is_layout(const struct io_uring_rec *rec, const struct uring *ring)
{
	struct uring_layout layout = uring_layout_of(ring);

	return memcmp(&layout, &rec->layout, sizeof(layout)) == 0 &&
	       ring->rings_size == le32_get(rec->rings_size) &&
	       ring->requests_size == le32_get(rec->requests_size);
}

static void fill(const struct io_uring_rec *rec, const struct uring *ring)
{
	const unsigned char *rings = (const unsigned char *)(rec + 1);
	uint32_t taken = le32_get(rec->requests) - le32_get(rec->unread);

	uring_fill(ring, rings, rings + ring->rings_size);
	uring_write(ring, ring->parameters.cq_off.head, taken);
}

static void note_differences(struct restore *rs, const struct record *record)
{
	if (image_next(rs->image, TAG_URING, NULL) == record)
		restore_note(rs, "rings of io_uring: no kernel tells whether they had "
				 "IORING_SETUP_SUBMIT_ALL, COOP_TASKRUN, TASKRUN_FLAG or "
				 "CQE_MIXED, personalities, a clock, or limits of workers: they "
				 "are without");
}

static int io_uring_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct io_uring_rec *rec = record->body;
	auto_with(uring_free) struct uring ring = URING_NONE;
	int fd;
	int r = uring_make(le32_get(rec->sq_entries), le32_get(rec->cq_entries),
			   le32_get(rec->setup), &ring, err);

	if (r == -EPERM)
		return err_hint(err, "ask for kernel.io_uring_disabled=0");
	if (r < 0)
		return r;
	if (!is_layout(rec, &ring))
		return err_set(err, ERR_HOST, "this kernel lays rings of io_uring out otherwise");
	r = uring_advance(&ring, le32_get(rec->requests), le32_get(rec->unread), err);
	if (r < 0)
		return r;
	fill(rec, &ring);
	note_differences(rs, record);
	fd = take_fd(&ring.fd);
	r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return restore_give_fd(rs, record, fd, err);
}

const struct kind kind_io_uring = {
	.name = "io_uring",
	.summary = "rings of io_uring that are idle",
	.needs = "io_uring",
	.tag = TAG_URING,
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = io_uring_match,
	.dump = io_uring_dump,
	.check = io_uring_check,
	.link = io_uring_link,
	.restore = io_uring_restore,
};
