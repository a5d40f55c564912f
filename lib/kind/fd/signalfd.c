/* signalfd: a set of signals that are read instead of delivered. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "restore/open.h"

extern const struct kind kind_signalfd;

RECORDS_BEGIN
struct signalfd_rec {
	le64 mask; /* bit n: signal n + 1 */
	le32 flags;
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct signalfd_rec) == 16, "image format");

#define UNCATCHABLE (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

static bool signalfd_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:[signalfd]") == 0;
}

static int signalfd_dump(struct dump *d, struct err *err)
{
	struct signalfd_rec rec = { .flags = le32_make(file_flags(d->fd)) };
	uint64_t mask;

	if (file_block_extras(d))
		return 0;
	if (!procfs_field(d->fd->fdinfo, "sigmask", 16, &mask))
		return err_set(err, ERR_HOST, "this kernel does not show signals of signalfds");
	rec.mask = le64_make(mask & ~UNCATCHABLE);
	dump_record(d, d->fd->id, &kind_signalfd, &rec, sizeof(rec));
	return 0;
}

static int signalfd_check(const void *body, size_t length, struct err *err)
{
	const struct signalfd_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "signalfd: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "signalfd: unknown bits");
	if (le64_get(rec->mask) & UNCATCHABLE)
		return err_set(err, ERR_DAMAGED, "signalfd: signals that cannot be caught");
	return 0;
}

static int signalfd_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct signalfd_rec *rec = record->body;
	uint64_t mask = le64_get(rec->mask);
	auto_close int fd = -1;
	int r;

	fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "create signalfd");
	r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_signalfd = {
	.name = "signalfd",
	.summary = "signals read from a descriptor",
	.tag = TAG('S', 'G', 'F', 'D'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = signalfd_match,
	.dump = signalfd_dump,
	.check = signalfd_check,
	.restore = signalfd_restore,
};
