/* Leases: whoever has one is told before somebody else opens the file, and may first put it in
 * order. The first task that has the description takes it again. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/support/holders.h"
#include "kind/support/lock_lines.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"
#include "restore/restore.h"

extern const struct kind kind_lease;

RECORDS_BEGIN
struct lease_rec {
	le32 number;   /* of a descriptor of the task; in rising order */
	le32 is_write; /* 0 or 1 */
};
RECORDS_END
static_assert(sizeof(struct lease_rec) == 8, "image format");

static void dump_leases(const struct target_fd *file, struct buf *body)
{
	const char *at = file->fdinfo;
	struct lock_line line;

	while (lock_line_next(&at, &line)) {
		struct lease_rec rec = {
			.number = le32_make((uint32_t)file->number),
			.is_write = le32_make(line.is_write),
		};

		if (line.type == FILE_LOCK_LEASE)
			(void)buf_append(body, &rec, sizeof(rec));
	}
}

/* Those that are being broken, and those of files outside of the container, are refused with the
 * locks. */
static int lease_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	for (size_t i = 0; i < d->own->file_count; i++) {
		if (d->own->files[i].task == d->task && !d->own->files[i].is_in_flight)
			dump_leases(&d->own->files[i], &body);
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_lease, body.data, body.size);
	return 0;
}

static int lease_check(const void *body, size_t length, struct err *err)
{
	const struct lease_rec *recs = body;

	if (length % sizeof(*recs) != 0 || length == 0)
		return err_set(err, ERR_DAMAGED, "lease: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*recs); i++) {
		if (le32_get(recs[i].is_write) > 1)
			return err_set(err, ERR_DAMAGED, "lease: unknown bits");
		if (i > 0 && le32_get(recs[i].number) <= le32_get(recs[i - 1].number))
			return err_set(err, ERR_DAMAGED, "lease: descriptors out of order");
	}
	return 0;
}

static int lease_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct record *table = image_find(image, TAG_FDTABLE, record->id);
	const struct lease_rec *recs = record->body;
	int r = owner_link_task(image, record, err);

	if (r < 0)
		return r;
	if (!table)
		return err_set(err, ERR_DAMAGED, "lease: of a task without descriptors");
	for (size_t i = 0; i < record->length / sizeof(*recs); i++) {
		if (!holder_file(image, table, le32_get(recs[i].number)))
			return err_set(err, ERR_DAMAGED, "lease: no descriptor %" PRIu32,
				       le32_get(recs[i].number));
	}
	return 0;
}

static int explain(const struct restore *rs, uint32_t number, int result, struct err *err)
{
	auto_free char *name = holder_file_name(rs, number);

	if (result == -EAGAIN) {
		(void)err_set(err, ERR_REFUSED,
			      "%s is open in another process: no lease can be taken", name);
		return err_hint(err, "end the process that has it open: the saved container "
				     "itself, if it was left running");
	}
	if (result == -EACCES)
		return err_set(err, ERR_REFUSED, "%s: only its owner can take a lease", name);
	return err_set(err, result, "take a lease on %s", name);
}

static int lease_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct lease_rec *recs = record->body;
	int r = script_run(script, err);

	for (size_t i = 0; r == 0 && i < record->length / sizeof(*recs); i++) {
		uint32_t number = le32_get(recs[i].number);
		size_t step =
		    script_syscall(script, "take a lease", SCRIPT_MAY_FAIL, SYS_fcntl, number,
				   F_SETLEASE, le32_get(recs[i].is_write) ? F_WRLCK : F_RDLCK);

		r = script_run(script, err);
		if (r == 0 && script_result(script, step) < 0)
			r = explain(rs, number, (int)script_result(script, step), err);
	}
	return r;
}

const struct kind kind_lease = {
	.name = "lease",
	.summary = "leases on files",
	.tag = TAG('L', 'E', 'A', 'S'),
	.scope = SCOPE_TASK,
	.phase = PHASE_LOCKS,
	.dump = lease_dump,
	.check = lease_check,
	.link = lease_link,
	.finish = lease_finish,
};
