/* oom: how readily the kernel kills a process when memory runs out. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "kind/kind.h"
#include "kind/support/owner.h"
#include "kind/support/proc_file.h"

extern const struct kind kind_oom;

RECORDS_BEGIN
struct oom_rec {
	le32 score_adj; /* signed */
	le32 reserved;	/* zero */
};
RECORDS_END
static_assert(sizeof(struct oom_rec) == 8, "image format");

/* clang-format off */
#define OOM_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, score_adj, CLASS_OOM_SCORE_ADJ) \
	FIELD(rec, reserved, FIELD_FORM)
/* clang-format on */
FIELDS_OF(oom, struct oom_rec, OOM_FIELDS);

static const int32_t score_limit = 1000;

static int oom_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct oom_rec rec = { .reserved = le32_make(0) };
	const char *at;
	int64_t score;
	int r;

	if (!d->thread)
		return 0;
	r = procfs_read(d->task->proc, "oom_score_adj", &text, err);
	if (r < 0)
		return r;
	at = text.data;
	if (!at || !scan_signed(&at, -score_limit, score_limit, &score) || !scan_char(&at, '\n'))
		return err_set(err, ERR_FAILED, "oom_score_adj cannot be understood");
	rec.score_adj = le32_make((uint32_t)score);
	dump_record(d, d->task->id, &kind_oom, &rec, sizeof(rec));
	return 0;
}

static int oom_check(const void *body, size_t length, struct err *err)
{
	const struct oom_rec *rec = body;
	int32_t score;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "oom: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "oom: unknown bits");
	score = les32_get(rec->score_adj);
	if (score < -score_limit || score > score_limit)
		return err_set(err, ERR_DAMAGED, "oom: impossible score %" PRId32, score);
	return 0;
}

static int oom_ask(struct plan *plan, const struct image *image, const struct record *record,
		   struct err *err)
{
	const struct oom_rec *rec = record->body;
	struct question question = {
		.class = CLASS_OOM_SCORE_ADJ,
		.id = record->id,
		.saved = (uint64_t)(int64_t)les32_get(rec->score_adj),
		.invoker = (uint64_t)(int64_t)plan_facts(plan)->oom_score_adj,
	};

	(void)image;
	(void)err;
	plan_ask(plan, &question);
	return 0;
}

static int oom_finish(struct restore *rs, const struct record *record, struct script *script,
		      struct err *err)
{
	int64_t inherited = plan_facts(rs->plan)->oom_score_adj;
	int64_t score =
	    (int64_t)plan_value(rs->plan, CLASS_OOM_SCORE_ADJ, record->id, 0, (uint64_t)inherited);
	char text[32];

	if (score == inherited)
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRId64, score);
	return proc_file_set(script, "oom_score_adj", text, err);
}

const struct kind kind_oom = {
	.name = "oom",
	.summary = "oom_score_adj",
	.tag = TAG('O', 'O', 'M', 'A'),
	.scope = SCOPE_TASK,
	.phase = PHASE_STATE,
	.fields = oom_fields,
	.dump = oom_dump,
	.check = oom_check,
	.link = owner_link_task,
	.ask = oom_ask,
	.finish = oom_finish,
};
