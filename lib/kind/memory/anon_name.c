/* anon_name: names that a program gave to its anonymous memory, for people who look at its maps. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/mm.h"
#include "kind/support/owner.h"

extern const struct kind kind_anon_name;

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41 /* 5.17 */
#define PR_SET_VMA_ANON_NAME 0
#endif

enum { NAME_SIZE = 80 }; /* with the NUL: ANON_VMA_NAME_MAX_LEN, kernel/sys.c */

RECORDS_BEGIN
struct anon_name_rec {
	le64 start;
	le64 end;
	unsigned char name[80];
};
RECORDS_END
static_assert(sizeof(struct anon_name_rec) == 96, "image format");

static int anon_name_dump(struct dump *d, struct err *err)
{
	static const char prefix[] = "[anon:";
	auto_buf struct buf body = BUF_EMPTY;

	(void)err;
	for (size_t i = 0; i < d->task->vma_count; i++) {
		const struct procfs_vma *vma = &d->task->vmas[i];
		struct anon_name_rec rec = { .start = le64_make(vma->start),
					     .end = le64_make(vma->end) };
		size_t length = strlen(vma->name);

		if (vma->inode != 0 || strncmp(vma->name, prefix, strlen(prefix)) != 0 ||
		    length <= strlen(prefix) || length - strlen(prefix) > NAME_SIZE)
			continue;
		memcpy(rec.name, vma->name + strlen(prefix), length - strlen(prefix) - 1);
		(void)buf_append(&body, &rec, sizeof(rec));
	}
	if (body.size > 0)
		dump_record(d, d->task->id, &kind_anon_name, body.data, body.size);
	return 0;
}

static int anon_name_check(const void *body, size_t length, struct err *err)
{
	const struct anon_name_rec *rec = body;
	uint64_t after = 0;

	if (length == 0 || length % sizeof(*rec) != 0 || length / sizeof(*rec) > MM_VMAS_MAX)
		return err_set(err, ERR_DAMAGED, "anon_name: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*rec); i++) {
		uint64_t start = le64_get(rec[i].start);
		uint64_t end = le64_get(rec[i].end);

		if (start < after || start == 0 || end <= start || end > MM_ADDRESS_MAX ||
		    (start | end) % IMAGE_PAGE)
			return err_set(err, ERR_DAMAGED, "anon_name: impossible range");
		if (rec[i].name[NAME_SIZE - 1] != 0)
			return err_set(err, ERR_DAMAGED, "anon_name: a name without an end");
		after = end;
	}
	return 0;
}

/* A kernel without such names has nothing to show them in. */
static int anon_name_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct anon_name_rec *rec = record->body;

	(void)rs;
	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		int r = script_room(script, 1, NAME_SIZE + 64, err);

		if (r < 0)
			return r;
		(void)script_syscall(script, "name memory", SCRIPT_MAY_FAIL, SYS_prctl, PR_SET_VMA,
				     PR_SET_VMA_ANON_NAME, le64_get(rec[i].start),
				     le64_get(rec[i].end) - le64_get(rec[i].start),
				     script_copy(script, rec[i].name, NAME_SIZE));
	}
	return 0;
}

const struct kind kind_anon_name = {
	.name = "anon_name",
	.summary = "names of anonymous memory",
	.needs = "anon_name",
	.tag = TAG('A', 'N', 'O', 'N'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.dump = anon_name_dump,
	.check = anon_name_check,
	.link = owner_link_task,
	.finish = anon_name_finish,
};
