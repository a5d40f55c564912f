/* confine: what a thread can never get back: no_new_privs, seccomp, and the controls of
 * speculation, time stamp counter and CPUID. Restored threads are no less confined than saved ones.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/loss.h"
#include "kind/support/owner.h"
#include "kind/support/seccomp.h"

extern const struct kind kind_confine;

enum { SPEC_COUNT = PR_SPEC_L1D_FLUSH + 1 };

RECORDS_BEGIN
struct confine_rec {
	le32 no_new_privs;	      /* 0 or 1 */
	le32 seccomp;		      /* mode */
	le32 tsc;		      /* PR_TSC_* */
	le32 cpuid;		      /* 0: the instruction faults */
	le32 speculation[SPEC_COUNT]; /* as PR_GET_SPECULATION_CTRL says */
	le32 reserved;		      /* zero */
};
RECORDS_END
static_assert(sizeof(struct confine_rec) == 32, "image format");

/* clang-format off */
#define CONFINE_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, no_new_privs, CLASS_NO_NEW_PRIVS) \
	FIELD(rec, seccomp, CLASS_SECCOMP) \
	FIELD(rec, tsc, FIELD_TIGHTENS) \
	FIELD(rec, cpuid, FIELD_TIGHTENS) \
	FIELD(rec, speculation, FIELD_TIGHTENS) \
	FIELD(rec, reserved, FIELD_FORM)
/* clang-format on */
FIELDS_OF(confine, struct confine_rec, CONFINE_FIELDS);

static const uint32_t spec_bits = PR_SPEC_PRCTL | PR_SPEC_ENABLE | PR_SPEC_DISABLE |
				  PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC;

static const char *const spec_names[SPEC_COUNT] = {
	[PR_SPEC_STORE_BYPASS] = "speculative store bypass",
	[PR_SPEC_INDIRECT_BRANCH] = "indirect branch speculation",
	[PR_SPEC_L1D_FLUSH] = "flushing of the L1 data cache",
};

struct confine_answers {
	uint64_t tsc;
	size_t cpuid, flusher, look, spec[SPEC_COUNT];
};

static void confine_query(struct dump *d, struct script *s, void *ret_answers)
{
	struct confine_answers *at = ret_answers;
	uint64_t unused = script_out(s, 2 * sizeof(uint64_t));

	at->tsc = script_out(s, sizeof(int));
	(void)script_syscall(s, "get time stamp counter mode", 0, SYS_prctl, PR_GET_TSC, at->tsc);
	at->cpuid =
	    script_syscall(s, "get cpuid mode", SCRIPT_MAY_FAIL, SYS_arch_prctl, ARCH_GET_CPUID, 0);
	at->flusher = script_syscall(s, "get io flusher", SCRIPT_MAY_FAIL, SYS_prctl,
				     PR_GET_IO_FLUSHER, 0, 0, 0, 0);
	at->look = script_syscall(s, "look at a witness", SCRIPT_MAY_FAIL, SYS_get_robust_list,
				  (uint64_t)d->thread->witness, unused, unused + sizeof(uint64_t));
	for (size_t i = 0; i < SPEC_COUNT; i++)
		at->spec[i] = script_syscall(s, "get speculation control", SCRIPT_MAY_FAIL,
					     SYS_prctl, PR_GET_SPECULATION_CTRL, i, 0, 0, 0);
}

static int confine_read(struct dump *d, const struct confine_answers *at, struct confine_rec *rec,
			struct err *err)
{
	const int *tsc = script_output(d->script, at->tsc, sizeof(*tsc), err);

	if (!tsc)
		return err->code;
	rec->tsc = le32_make((uint32_t)*tsc);
	rec->cpuid = le32_make(script_result(d->script, at->cpuid) != 0);
	for (size_t i = 0; i < SPEC_COUNT; i++) {
		int64_t state = script_result(d->script, at->spec[i]);

		rec->speculation[i] = le32_make(state > 0 ? (uint32_t)state : 0);
	}
	return 0;
}

/* A security module may have forbidden that look as well, where labels differ. */
static bool has_our_label(const struct dump *d)
{
	auto_free char *path = mem_printf("task/%d/attr/current", d->thread->tid);
	auto_buf struct buf label = BUF_EMPTY;
	auto_buf struct buf own = BUF_EMPTY;
	struct err ignored = ERR_NONE;

	if (procfs_read(d->task->proc, path, &label, &ignored) < 0 || label.size == 0)
		return true;
	return procfs_read(AT_FDCWD, "/proc/thread-self/attr/current", &own, &ignored) == 0 &&
	       strcmp(label.data, own.data) == 0;
}

enum restriction { RESTRICTION_NONE, RESTRICTION_LANDLOCK, RESTRICTION_UNKNOWN };

/* Without a witness there is no Landlock, or it was refused already. */
static enum restriction restriction_of(const struct dump *d, const struct confine_answers *at)
{
	const uint64_t args[6] = { (uint64_t)d->thread->witness };
	int64_t result = script_result(d->script, at->look);

	if (!d->thread->witness || result == 0)
		return RESTRICTION_NONE;
	if (result == -EPERM && has_our_label(d) &&
	    remote_call_is_allowed(&d->thread->remote, SYS_get_robust_list, args))
		return RESTRICTION_LANDLOCK;
	return RESTRICTION_UNKNOWN;
}

static int confine_dump(struct dump *d, struct err *err)
{
	const struct procfs_status *status = &d->thread->status;
	struct confine_rec rec = { .no_new_privs = le32_make(status->no_new_privs),
				   .seccomp = le32_make((uint32_t)status->seccomp) };
	const struct confine_answers *at = dump_answers(d, &kind_confine);
	int r = confine_read(d, at, &rec, err);

	if (r < 0)
		return r;
	if (script_result(d->script, at->flusher) == 1)
		return dump_block(d, NULL, "PR_SET_IO_FLUSHER is not supported");
	if (restriction_of(d, at) == RESTRICTION_LANDLOCK)
		return dump_block(d, "tell the program not to restrict itself, if it can be told",
				  "thread %d is restricted by Landlock, and no kernel tells how",
				  d->thread->vtid);
	if (restriction_of(d, at) == RESTRICTION_UNKNOWN)
		dump_loss(d, LOSS_LANDLOCK, d->thread->id, 1, NULL);
	dump_record(d, d->thread->id, &kind_confine, &rec, sizeof(rec));
	return 0;
}

static int confine_check(const void *body, size_t length, struct err *err)
{
	const struct confine_rec *rec = body;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "confine: %zu bytes", length);
	if (le32_get(rec->no_new_privs) > 1 || le32_get(rec->cpuid) > 1 ||
	    le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "confine: unknown bits");
	if (le32_get(rec->seccomp) > 2)
		return err_set(err, ERR_DAMAGED, "confine: seccomp mode %" PRIu32,
			       le32_get(rec->seccomp));
	if (le32_get(rec->tsc) != PR_TSC_ENABLE && le32_get(rec->tsc) != PR_TSC_SIGSEGV)
		return err_set(err, ERR_DAMAGED, "confine: time stamp counter mode %" PRIu32,
			       le32_get(rec->tsc));
	for (size_t i = 0; i < SPEC_COUNT; i++) {
		if (le32_get(rec->speculation[i]) & ~spec_bits)
			return err_set(err, ERR_DAMAGED, "confine: unknown state of %s",
				       spec_names[i]);
	}
	return 0;
}

static bool has_bundle_filter(const struct plan *plan)
{
	const struct bound *bound = plan_facts(plan)->bound;

	return bound && bound->has_filter;
}

static int confine_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct confine_rec *rec = record->body;
	struct filter filter;
	struct question question = { .class = CLASS_NO_NEW_PRIVS,
				     .id = record->id,
				     .saved = le32_get(rec->no_new_privs),
				     .invoker = plan_facts(plan)->no_new_privs };

	(void)err;
	plan_ask(plan, &question);
	if (le32_get(rec->seccomp) == 0 && !has_bundle_filter(plan))
		return 0;
	question = (struct question){ .class = CLASS_SECCOMP,
				      .id = record->id,
				      .saved = le32_get(rec->seccomp),
				      .invoker = seccomp_of_image(image, &filter) };
	plan_ask(plan, &question);
	return 0;
}

/* The state without which a thread was, if it is another than every thread starts with. */
static uint32_t wanted_state(const struct confine_rec *rec, unsigned int which)
{
	uint32_t state = le32_get(rec->speculation[which]);
	uint32_t usual = which == PR_SPEC_L1D_FLUSH ? PR_SPEC_DISABLE : PR_SPEC_ENABLE;

	if (!(state & PR_SPEC_PRCTL) || (state & ~PR_SPEC_PRCTL) == usual)
		return 0;
	return state & ~PR_SPEC_PRCTL;
}

static int finish_speculation(const struct confine_rec *rec, struct script *script, struct err *err)
{
	for (unsigned int i = 0; i < SPEC_COUNT; i++) {
		uint32_t state = wanted_state(rec, i);
		int here = prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0);

		/* Not affected, or off for all: nothing to control. */
		if (state == 0 || here == PR_SPEC_NOT_AFFECTED ||
		    (here > 0 && !(here & PR_SPEC_PRCTL) && here & PR_SPEC_DISABLE))
			continue;
		if (here < 0 || !(here & PR_SPEC_PRCTL))
			return err_set(err, ERR_HOST, "this host does not control %s",
				       spec_names[i]);
		(void)script_syscall(script, spec_names[i], 0, SYS_prctl, PR_SET_SPECULATION_CTRL,
				     i, state, 0, 0);
	}
	return 0;
}

static int confine_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	const struct confine_rec *rec = record->body;
	int r = script_room(script, 8, 0, err);

	if (r < 0)
		return r;
	r = finish_speculation(rec, script, err);
	if (r < 0)
		return r;
	if (le32_get(rec->tsc) != PR_TSC_ENABLE)
		(void)script_syscall(script, "make the time stamp counter fault", 0, SYS_prctl,
				     PR_SET_TSC, le32_get(rec->tsc));
	if (le32_get(rec->cpuid) == 0)
		(void)script_syscall(script, "make cpuid fault", 0, SYS_arch_prctl, ARCH_SET_CPUID,
				     0);
	if (plan_value(rs->plan, CLASS_NO_NEW_PRIVS, record->id, 0, 1) != 0)
		(void)script_syscall(script, "set no_new_privs", 0, SYS_prctl, PR_SET_NO_NEW_PRIVS,
				     1, 0, 0, 0);
	if (seccomp_comes_early(rs, record->id))
		return 0;
	return seccomp_install(rs, record->id, script, err);
}

const struct kind kind_confine = {
	.name = "confine",
	.summary = "no_new_privs, seccomp, speculation, time stamp counter and CPUID",
	.tag = TAG('C', 'O', 'N', 'F'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_CONFINE,
	.fields = confine_fields,
	.answers_size = sizeof(struct confine_answers),
	.query = confine_query,
	.dump = confine_dump,
	.check = confine_check,
	.link = owner_link_thread,
	.ask = confine_ask,
	.finish = confine_finish,
};
