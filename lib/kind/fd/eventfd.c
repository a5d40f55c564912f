/* eventfd: a 64-bit counter behind a descriptor. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "restore/open.h"

extern const struct kind kind_eventfd;

RECORDS_BEGIN
struct eventfd_rec {
	le64 count;
	le32 semaphore; /* 0 or 1 */
	le32 flags;
};
RECORDS_END
static_assert(sizeof(struct eventfd_rec) == 16, "image format");

static bool eventfd_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:[eventfd]") == 0;
}

static int take(int fd, uint64_t *ret_value)
{
	struct iovec value = { .iov_base = ret_value, .iov_len = sizeof(*ret_value) };

	return preadv2(fd, &value, 1, -1, RWF_NOWAIT) < 0 ? -errno : 0;
}

static int add(int fd, uint64_t value)
{
	return write(fd, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Before 6.6, fdinfo does not say. Of a counter of 2 or more, a semaphore gives 1; what was taken
 * is put back at once. */
static int probe_semaphore(int fd, uint64_t count, bool *ret_is_semaphore)
{
	uint64_t spare = count < 2 ? 2 : 0;
	uint64_t value;
	int r;

	r = spare > 0 ? add(fd, spare) : 0;
	if (r == 0)
		r = take(fd, &value);
	if (r < 0)
		return r;
	*ret_is_semaphore = value == 1;
	if (value == 1 && spare > 0)
		return take(fd, &value); /* the second of the two */
	return value > spare ? add(fd, value - spare) : 0;
}

static int eventfd_dump(struct dump *d, struct err *err)
{
	const struct target_fd *fd = d->fd;
	struct eventfd_rec rec = { .flags = le32_make(file_flags(fd)) };
	bool is_semaphore = false;
	uint64_t semaphore;
	uint64_t count;
	int r;

	if (file_block_extras(d))
		return 0;
	if (!procfs_field(fd->fdinfo, "eventfd-count", 16, &count))
		return err_set(err, ERR_HOST, "this kernel does not show eventfd counters");
	if (count == UINT64_MAX)
		return dump_block(d, NULL, "the counter of an eventfd has overflowed");
	if (procfs_field(fd->fdinfo, "eventfd-semaphore", 10, &semaphore)) {
		is_semaphore = semaphore != 0;
	} else {
		r = probe_semaphore(fd->fd, count, &is_semaphore);
		if (r < 0)
			return err_set(err, r, "look at an eventfd");
	}
	rec.count = le64_make(count);
	rec.semaphore = le32_make(is_semaphore);
	dump_record(d, fd->id, &kind_eventfd, &rec, sizeof(rec));
	return 0;
}

static int eventfd_check(const void *body, size_t length, struct err *err)
{
	const struct eventfd_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "eventfd: %zu bytes", length);
	if (le32_get(rec->semaphore) > 1 || !file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "eventfd: unknown bits");
	/* The kernel never lets a program set this; writing it would block. */
	if (le64_get(rec->count) == UINT64_MAX)
		return err_set(err, ERR_DAMAGED, "eventfd: impossible count");
	return 0;
}

/* One that is shared with others, whose counter it is. */
static bool eventfd_grant(const struct image *image, const struct record *record,
			  struct grant_look *ret_look)
{
	const struct eventfd_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.name = "anon_inode:[eventfd]",
		.flags = le32_get(rec->flags),
	};
	return true;
}

static int eventfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct eventfd_rec *rec = record->body;
	uint64_t count = le64_get(rec->count);
	int flags = EFD_CLOEXEC | (le32_get(rec->semaphore) ? EFD_SEMAPHORE : 0);
	auto_close int fd = -1;
	int r;

	fd = eventfd(0, flags);
	if (fd < 0)
		return err_set(err, -errno, "create eventfd");
	if (count > 0 && write(fd, &count, sizeof(count)) < 0)
		return err_set(err, -errno, "set eventfd to %" PRIu64, count);
	r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_eventfd = {
	.name = "eventfd",
	.summary = "event counters",
	.tag = TAG('E', 'V', 'F', 'D'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = eventfd_match,
	.dump = eventfd_dump,
	.check = eventfd_check,
	.grant = eventfd_grant,
	.restore = eventfd_restore,
};
