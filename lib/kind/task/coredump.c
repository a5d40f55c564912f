/* coredump: which mappings a core dump of the process holds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/kind.h"
#include "kind/support/owner.h"
#include "kind/support/proc_file.h"

extern const struct kind kind_coredump;

enum { FILTER_BITS = 0x1ff }; /* core(5) */

RECORDS_BEGIN
struct coredump_rec {
	le32 filter; /* as in /proc/PID/coredump_filter */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct coredump_rec) == 8, "image format");

static int coredump_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct coredump_rec rec = { .reserved = le32_make(0) };
	const char *at;
	uint64_t filter;
	struct err none;

	/* Some kernels write no core dumps at all. */
	if (!d->thread || procfs_read(d->task->proc, "coredump_filter", &text, &none) < 0)
		return 0;
	at = text.data;
	if (!scan_number(&at, 16, UINT32_MAX, &filter))
		return err_set(err, ERR_FAILED, "coredump_filter cannot be understood");
	rec.filter = le32_make((uint32_t)filter & FILTER_BITS);
	dump_record(d, d->task->id, &kind_coredump, &rec, sizeof(rec));
	return 0;
}

static int coredump_check(const void *body, size_t length, struct err *err)
{
	const struct coredump_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "coredump: %zu bytes", length);
	if (le32_get(rec->filter) & ~(uint32_t)FILTER_BITS || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "coredump: unknown bits");
	return 0;
}

static int coredump_finish(struct restore *rs, const struct record *record, struct script *script,
			   struct err *err)
{
	const struct coredump_rec *rec = record->body;
	char text[16];

	(void)rs;
	(void)snprintf(text, sizeof(text), "0x%08" PRIx32, le32_get(rec->filter));
	return proc_file_set(script, "coredump_filter", text, err);
}

const struct kind kind_coredump = {
	.name = "coredump",
	.summary = "which mappings a core dump holds",
	.tag = TAG('C', 'O', 'R', 'E'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = coredump_dump,
	.check = coredump_check,
	.link = owner_link_task,
	.finish = coredump_finish,
};
