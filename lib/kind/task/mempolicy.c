/* mempolicy: on which memory nodes a thread's pages are to lie, and those of mappings. */
#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/mm.h"
#include "kind/support/owner.h"

extern const struct kind kind_mempolicy;

enum {
	NODES = 1024, /* the most that the kernel can be built for */
	WORDS = NODES / 64,
	CHUNK = 512, /* mappings asked for by one script */
	MODE_BITS = 0xe0ff,
	MODE_FLAGS = 0xe000,
};

RECORDS_BEGIN
struct mempolicy_rec {
	le64 start; /* of a mapping; 0: of the thread itself */
	le64 end;
	le32 mode; /* MPOL_*, with flags */
	le32 reserved;
	le64 nodes[16];
};
RECORDS_END
static_assert(sizeof(struct mempolicy_rec) == 152, "image format");

struct policy {
	int mode;
	uint64_t nodes[WORDS];
};

/* ---- dump ---- */

static void add_policy(struct buf *body, uint64_t start, uint64_t end, const struct policy *policy)
{
	struct mempolicy_rec rec = { .start = le64_make(start),
				     .end = le64_make(end),
				     .mode = le32_make((uint32_t)policy->mode) };

	for (int i = 0; i < WORDS; i++)
		rec.nodes[i] = le64_make(policy->nodes[i]);
	(void)buf_append(body, &rec, sizeof(rec));
}

/* A filter that was there from the start never let it have a policy. */
static bool may_have_policy(const struct dump *d)
{
	const uint64_t args[6] = { 0 };
	struct err ignored;

	return remote_check_call(&d->thread->remote, "policy", SYS_get_mempolicy, args, &ignored) ==
	       0;
}

struct mempolicy_answers {
	bool has_asked;
	uint64_t policy;
	size_t step;
};

/* Of the thread, or of the mapping that begins at `start`. */
static void query_policy(struct script *script, uint64_t start, struct mempolicy_answers *at)
{
	at->policy = script_out(script, sizeof(struct policy));
	at->step = script_syscall(script, "get memory policy", SCRIPT_MAY_FAIL, SYS_get_mempolicy,
				  at->policy, at->policy + offsetof(struct policy, nodes), NODES,
				  start, start ? MPOL_F_ADDR : 0);
}

static void mempolicy_query(struct dump *d, struct script *script, void *ret_answers)
{
	struct mempolicy_answers *at = ret_answers;

	at->has_asked = may_have_policy(d);
	if (at->has_asked)
		query_policy(script, 0, at);
}

static int read_policy(struct script *script, const struct mempolicy_answers *at, uint64_t start,
		       uint64_t end, struct buf *body, struct err *err)
{
	const struct policy *policy;

	/* Kernels without NUMA, and profiles that deny it, know no policies. */
	if (script_result(script, at->step) < 0)
		return 0;
	policy = script_output(script, at->policy, sizeof(*policy), err);
	if (!policy)
		return err->code;
	if (policy->mode != MPOL_DEFAULT)
		add_policy(body, start, end, policy);
	return 0;
}

static int ask_mapping(struct dump *d, const struct procfs_vma *vma, struct buf *body,
		       struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;
	struct mempolicy_answers at;
	int r;

	script_init(&script, &d->thread->remote);
	query_policy(&script, vma->start, &at);
	r = script_run(&script, err);
	return r < 0 ? r : read_policy(&script, &at, vma->start, vma->end, body, err);
}

static int read_mappings(struct dump *d, size_t first, struct buf *body, struct err *err)
{
	const struct dump_task *task = d->task;
	size_t count = task->vma_count - first < CHUNK ? task->vma_count - first : CHUNK;
	auto_script struct script script = SCRIPT_NONE;
	const int *modes;
	uint64_t out;
	int r;

	script_init(&script, &d->thread->remote);
	out = script_out(&script, count * sizeof(*modes));
	for (size_t i = 0; i < count; i++)
		(void)script_syscall(&script, "get memory policy", SCRIPT_MAY_FAIL,
				     SYS_get_mempolicy, out + i * sizeof(*modes), 0, 0,
				     task->vmas[first + i].start, MPOL_F_ADDR);
	r = script_run(&script, err);
	if (r < 0)
		return r;
	modes = script_output(&script, out, count * sizeof(*modes), err);
	if (!modes)
		return err->code;
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct procfs_vma *vma = &task->vmas[first + i];

		if (script_result(&script, i) == 0 && modes[i] != MPOL_DEFAULT)
			r = ask_mapping(d, vma, body, err);
	}
	return r;
}

static int mempolicy_dump(struct dump *d, struct err *err)
{
	const struct mempolicy_answers *at = dump_answers(d, &kind_mempolicy);
	bool is_leader = d->thread == &d->task->threads[0];
	auto_buf struct buf body = BUF_EMPTY;
	int r;

	if (!at->has_asked)
		return 0;
	r = read_policy(d->script, at, 0, 0, &body, err);
	for (size_t i = 0; r == 0 && is_leader && i < d->task->vma_count; i += CHUNK)
		r = read_mappings(d, i, &body, err);
	if (r == 0 && body.size > 0)
		dump_record(d, d->thread->id, &kind_mempolicy, body.data, body.size);
	return r;
}

/* ---- check ---- */

static int mempolicy_check(const void *body, size_t length, struct err *err)
{
	const struct mempolicy_rec *rec = body;
	uint64_t after = 0;

	if (length == 0 || length % sizeof(*rec) != 0 || length / sizeof(*rec) > MM_VMAS_MAX)
		return err_set(err, ERR_DAMAGED, "mempolicy: %zu bytes", length);
	for (size_t i = 0; i < length / sizeof(*rec); i++) {
		uint64_t start = le64_get(rec[i].start);
		uint64_t end = le64_get(rec[i].end);
		bool is_thread = i == 0 && start == 0 && end == 0;

		if (le32_get(rec[i].mode) & ~(uint32_t)MODE_BITS || le32_get(rec[i].reserved) != 0)
			return err_set(err, ERR_DAMAGED, "mempolicy: unknown bits");
		if (!is_thread && (start < after || start == 0 || end <= start ||
				   end > MM_ADDRESS_MAX || (start | end) % IMAGE_PAGE))
			return err_set(err, ERR_DAMAGED, "mempolicy: impossible range");
		after = end;
	}
	return 0;
}

/* ---- finish ---- */

/* The nodes that there are, of those that were meant. False: none of them. */
static bool choose_nodes(struct restore *rs, const struct record *record,
			 const struct mempolicy_rec *rec, uint64_t nodes[WORDS])
{
	uint64_t allowed[WORDS] = { 0 };
	uint64_t saved = 0;
	uint64_t kept = 0;
	bool is_less = false;

	(void)syscall(SYS_get_mempolicy, NULL, allowed, NODES, 0, MPOL_F_MEMS_ALLOWED);
	for (int i = 0; i < WORDS; i++) {
		nodes[i] = le64_get(rec->nodes[i]);
		saved |= nodes[i];
		if (!(le32_get(rec->mode) & MPOL_F_RELATIVE_NODES))
			nodes[i] &= allowed[i];
		kept |= nodes[i];
		is_less |= nodes[i] != le64_get(rec->nodes[i]);
	}
	if (is_less)
		restore_note(rs, "task %d: a memory policy named nodes that are not here",
			     restore_pid(rs, record->id));
	return kept != 0 || saved == 0;
}

static int mempolicy_finish(struct restore *rs, const struct record *record, struct script *script,
			    struct err *err)
{
	const struct mempolicy_rec *rec = record->body;

	for (size_t i = 0; i < record->length / sizeof(*rec); i++) {
		uint64_t start = le64_get(rec[i].start);
		uint64_t nodes[WORDS];
		uint64_t mask;
		int r = script_room(script, 1, 2 * sizeof(nodes), err);

		if (r < 0)
			return r;
		if (!choose_nodes(rs, record, &rec[i], nodes))
			continue;
		mask = script_copy(script, nodes, sizeof(nodes));
		/* Both count one bit more than they read. */
		if (start == 0)
			(void)script_syscall(script, "set memory policy", 0, SYS_set_mempolicy,
					     le32_get(rec[i].mode), mask, NODES + 1);
		else
			(void)script_syscall(script, "set a mapping's memory policy", 0, SYS_mbind,
					     start, le64_get(rec[i].end) - start,
					     le32_get(rec[i].mode), mask, NODES + 1, 0);
	}
	return 0;
}

const struct kind kind_mempolicy = {
	.name = "mempolicy",
	.summary = "memory nodes of threads and mappings",
	.needs = "mempolicy",
	.tag = TAG('M', 'P', 'O', 'L'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_STATE,
	.answers_size = sizeof(struct mempolicy_answers),
	.query = mempolicy_query,
	.dump = mempolicy_dump,
	.check = mempolicy_check,
	.link = owner_link_thread,
	.finish = mempolicy_finish,
};
