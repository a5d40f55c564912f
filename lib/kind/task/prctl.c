/* prctl: switches of a process: dumpable, subreaper, transparent huge pages, memory that may not
 * become executable, extended CPU state, locking of future memory, membarriers. */
#include <asm/prctl.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_prctl;

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_MEMORY_MERGE
#define PR_GET_MEMORY_MERGE 68
#endif
#define ARCH_GET_UNTAG_MASK	     0x4001
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9) /* 6.3 */

enum {
	MDWE_BITS = 3,	     /* PR_MDWE_REFUSE_EXEC_GAIN, PR_MDWE_NO_INHERIT */
	THP_BITS = 3,	     /* disabled; except where advised (6.18) */
	XCOMP_TILEDATA = 18, /* AMX: the only one that must be asked for */
	REGISTER_BITS = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
};

RECORDS_BEGIN
struct prctl_rec {
	le32 dumpable;	/* 0 or 1; 2 is a 0 that root set */
	le32 subreaper; /* 0 or 1 */
	le32 thp_disable;
	le32 mdwe;
	le32 has_merge; /* 0 or 1: KSM for all its memory */
	le32 has_amx;	/* 0 or 1 */
	/* In version 2: */
	le32 lock_future; /* MCL_FUTURE, MCL_ONFAULT */
	le32 membarrier;  /* MEMBARRIER_CMD_REGISTER_* */
};
RECORDS_END
static_assert(sizeof(struct prctl_rec) == 32, "image format");

/* clang-format off */
#define PRCTL_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, dumpable, CLASS_DUMPABLE) \
	FIELD(rec, subreaper, FIELD_FREE) \
	FIELD(rec, thp_disable, FIELD_FREE) \
	FIELD(rec, mdwe, FIELD_TIGHTENS) \
	FIELD(rec, has_merge, FIELD_FREE) \
	FIELD(rec, has_amx, FIELD_FREE) \
	FIELD(rec, lock_future, CLASS_MLOCK) \
	FIELD(rec, membarrier, FIELD_FREE)
/* clang-format on */
FIELDS_OF(prctl, struct prctl_rec, PRCTL_FIELDS);
static const size_t first_length = offsetof(struct prctl_rec, lock_future);

/* As the target's kernel writes it. */
struct prctl_written {
	int subreaper;
	uint64_t xcomp;
	uint64_t untag_mask;
};

struct prctl_answers {
	uint64_t written;
	size_t dumpable, thp, mdwe, merge;
	size_t all_barriers, own_barriers;
};

static uint32_t positive(int64_t result)
{
	return result > 0 ? (uint32_t)result : 0;
}

static void prctl_query(struct dump *d, struct script *s, void *ret_answers)
{
	const struct prctl_written empty = { .untag_mask = UINT64_MAX };
	struct prctl_answers *at = ret_answers;
	uint64_t out = script_copy(s, &empty, sizeof(empty));

	(void)d;
	at->written = out;
	at->dumpable = script_syscall(s, "get dumpable", 0, SYS_prctl, PR_GET_DUMPABLE);
	(void)script_syscall(s, "get subreaper", 0, SYS_prctl, PR_GET_CHILD_SUBREAPER,
			     out + offsetof(struct prctl_written, subreaper));
	/* Younger kernels and other CPUs know the rest. */
	at->thp = script_syscall(s, "get THP", SCRIPT_MAY_FAIL, SYS_prctl, PR_GET_THP_DISABLE, 0, 0,
				 0, 0);
	at->mdwe =
	    script_syscall(s, "get MDWE", SCRIPT_MAY_FAIL, SYS_prctl, PR_GET_MDWE, 0, 0, 0, 0);
	at->merge = script_syscall(s, "get KSM", SCRIPT_MAY_FAIL, SYS_prctl, PR_GET_MEMORY_MERGE, 0,
				   0, 0, 0);
	(void)script_syscall(s, "get CPU state", SCRIPT_MAY_FAIL, SYS_arch_prctl,
			     ARCH_GET_XCOMP_PERM, out + offsetof(struct prctl_written, xcomp));
	(void)script_syscall(s, "get address mask", SCRIPT_MAY_FAIL, SYS_arch_prctl,
			     ARCH_GET_UNTAG_MASK, out + offsetof(struct prctl_written, untag_mask));
	at->all_barriers = script_syscall(s, "query membarriers", SCRIPT_MAY_FAIL, SYS_membarrier,
					  MEMBARRIER_CMD_QUERY, 0, 0);
	at->own_barriers = script_syscall(s, "get membarriers", SCRIPT_MAY_FAIL, SYS_membarrier,
					  MEMBARRIER_GET_REGISTRATIONS, 0, 0);
}

/* Where the kernel does not tell, it is all that a program may have asked for. */
static uint32_t read_membarrier(struct script *s, const struct prctl_answers *at)
{
	int64_t registered = script_result(s, at->own_barriers);

	if (registered < 0)
		registered = script_result(s, at->all_barriers);
	return registered > 0 ? (uint32_t)registered & REGISTER_BITS : 0;
}

static int prctl_read(struct script *s, const struct prctl_answers *at, struct prctl_rec *rec,
		      uint64_t *ret_untag_mask, struct err *err)
{
	const struct prctl_written *written = script_output(s, at->written, sizeof(*written), err);

	if (!written)
		return err->code;
	*rec = (struct prctl_rec){
		.dumpable = le32_make(script_result(s, at->dumpable) == 1),
		.subreaper = le32_make(written->subreaper != 0),
		.thp_disable = le32_make(positive(script_result(s, at->thp))),
		.mdwe = le32_make(positive(script_result(s, at->mdwe))),
		.has_merge = le32_make(script_result(s, at->merge) == 1),
		.has_amx = le32_make(written->xcomp >> XCOMP_TILEDATA & 1),
		.membarrier = le32_make(read_membarrier(s, at)),
	};
	*ret_untag_mask = written->untag_mask;
	return 0;
}

/* New memory that is locked counts at once; that which is locked on a fault is not there before. */
static int query_future_page(struct dump *d, bool *ret_is_present, struct err *err)
{
	auto_script struct script s = SCRIPT_NONE;
	const unsigned char *present;
	uint64_t page, out;
	size_t step;
	int r;

	script_init(&s, &d->thread->remote);
	step = script_syscall(&s, "map a page", 0, SYS_mmap, 0, IMAGE_PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0);
	r = script_run(&s, err);
	if (r < 0)
		return r;
	page = (uint64_t)script_result(&s, step);
	out = script_out(&s, 1);
	(void)script_syscall(&s, "ask for a page", 0, SYS_mincore, page, IMAGE_PAGE, out);
	(void)script_syscall(&s, "unmap a page", 0, SYS_munmap, page, IMAGE_PAGE);
	r = script_run(&s, err);
	if (r < 0)
		return r;
	present = script_output(&s, out, 1, err);
	if (!present)
		return err->code;
	*ret_is_present = *present & 1;
	return 0;
}

/* Our own zone was mapped since the status was read: what of it is locked, mlockall() asked for. */
static int query_lock(struct dump *d, struct prctl_rec *rec, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	uint64_t locked = 0;
	bool is_present = false;
	int r = procfs_read(d->task->proc, "status", &text, err);

	if (r < 0)
		return r;
	if (!procfs_field(text.data, "VmLck", 10, &locked) ||
	    locked * 1024 <= d->thread->status.locked)
		return 0;
	r = query_future_page(d, &is_present, err);
	if (r < 0)
		return r;
	rec->lock_future = le32_make(is_present ? MCL_FUTURE : MCL_FUTURE | MCL_ONFAULT);
	return 0;
}

static int prctl_dump(struct dump *d, struct err *err)
{
	struct prctl_rec rec;
	uint64_t untag_mask = 0;
	int r;

	if (!d->thread)
		return 0;
	r = prctl_read(d->script, dump_answers(d, &kind_prctl), &rec, &untag_mask, err);
	if (r == 0)
		r = query_lock(d, &rec, err);
	if (r < 0)
		return r;
	if (untag_mask != UINT64_MAX)
		return dump_block(d, NULL, "tagged addresses (LAM) are not supported");
	dump_record(d, d->task->id, &kind_prctl, &rec, sizeof(rec));
	return 0;
}

static int check_second(const struct prctl_rec *rec, struct err *err)
{
	uint32_t lock = le32_get(rec->lock_future);

	if ((lock != 0 && lock != MCL_FUTURE && lock != (MCL_FUTURE | MCL_ONFAULT)) ||
	    le32_get(rec->membarrier) & ~(uint32_t)REGISTER_BITS)
		return err_set(err, ERR_DAMAGED, "prctl: unknown bits");
	return 0;
}

static int prctl_check(const void *body, size_t length, struct err *err)
{
	const struct prctl_rec *rec = body;

	if (length != sizeof(*rec) && length != first_length)
		return err_set(err, ERR_DAMAGED, "prctl: %zu bytes", length);
	if (le32_get(rec->dumpable) > 1 || le32_get(rec->subreaper) > 1 ||
	    le32_get(rec->has_merge) > 1 || le32_get(rec->has_amx) > 1)
		return err_set(err, ERR_DAMAGED, "prctl: a switch that is neither on nor off");
	if (le32_get(rec->thp_disable) > THP_BITS || le32_get(rec->thp_disable) == 2)
		return err_set(err, ERR_DAMAGED, "prctl: unknown state of huge pages");
	if (le32_get(rec->mdwe) > MDWE_BITS || le32_get(rec->mdwe) == 2)
		return err_set(err, ERR_DAMAGED, "prctl: unknown bits of MDWE");
	return length == first_length ? 0 : check_second(rec, err);
}

static int prctl_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct prctl_rec *rec = record->body;

	(void)image;
	(void)err;
	plan_ask(plan, &(struct question){ .class = CLASS_DUMPABLE,
					   .id = record->id,
					   .saved = le32_get(rec->dumpable),
					   .invoker = 1 });
	if (record->length > first_length && le32_get(rec->lock_future))
		plan_ask(plan, &(struct question){ .class = CLASS_MLOCK,
						   .id = record->id,
						   .saved = IMAGE_PAGE,
						   .invoker = plan_facts(plan)->hard_limits[8],
						   .subject = "locking of future memory" });
	return 0;
}

static void finish_second(struct restore *rs, const struct record *record, struct script *script)
{
	const struct prctl_rec *rec = record->body;
	const struct decision *lock = plan_answer(rs->plan, CLASS_MLOCK, record->id, 0);

	for (uint32_t bit = 1; bit <= REGISTER_BITS; bit <<= 1) {
		if (le32_get(rec->membarrier) & bit)
			(void)script_syscall(script, "register membarriers", 0, SYS_membarrier, bit,
					     0, 0);
	}
	if (lock && lock->outcome == OUTCOME_KEEP)
		(void)script_syscall(script, "lock future memory", 0, SYS_mlockall,
				     le32_get(rec->lock_future));
}

static int prctl_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct prctl_rec *rec = record->body;
	uint32_t thp = le32_get(rec->thp_disable);
	int r = script_room(script, 16, 0, err);

	if (r < 0)
		return r;
	if (record->length > first_length)
		finish_second(rs, record, script);
	if (le32_get(rec->has_merge))
		restore_note(rs, "KSM for all memory needs a privilege: it is off now");
	if (le32_get(rec->has_amx))
		(void)script_syscall(script, "ask for AMX", 0, SYS_arch_prctl, ARCH_REQ_XCOMP_PERM,
				     XCOMP_TILEDATA);
	if (le32_get(rec->subreaper))
		(void)script_syscall(script, "become a subreaper", 0, SYS_prctl,
				     PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (thp != 0)
		(void)script_syscall(script, "disable huge pages", 0, SYS_prctl, PR_SET_THP_DISABLE,
				     1, thp & ~1u, 0, 0);
	if (le32_get(rec->mdwe) != 0)
		(void)script_syscall(script, "set MDWE", 0, SYS_prctl, PR_SET_MDWE,
				     le32_get(rec->mdwe), 0, 0, 0);
	/* The last step of all: whoever lacks privilege cannot read the script's memory after it.
	 */
	if (plan_value(rs->plan, CLASS_DUMPABLE, record->id, 0, 0) == 0)
		(void)script_syscall(script, "be undumpable", 0, SYS_prctl, PR_SET_DUMPABLE, 0);
	return 0;
}

const struct kind kind_prctl = {
	.name = "prctl",
	.summary = "dumpable, subreaper, huge pages, MDWE, mlockall, membarriers, AMX permission",
	.tag = TAG('P', 'R', 'C', 'T'),
	.version = 2,
	.scope = SCOPE_TASK,
	.phase = PHASE_CONFINE,
	.fields = prctl_fields,
	.answers_size = sizeof(struct prctl_answers),
	.query = prctl_query,
	.dump = prctl_dump,
	.check = prctl_check,
	.link = owner_link_task,
	.ask = prctl_ask,
	.finish = prctl_finish,
};
