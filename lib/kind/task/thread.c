/* thread: what a thread has of its own: its name, its timer slack, the signal of its parent's
 * death, and the places in its memory that the kernel writes to or runs on (set_tid_address(2),
 * robust list, rseq, alternate signal stack). */
#include <asm/prctl.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/compat.h"
#include "kind/support/owner.h"
#include "kind/support/tree.h"

extern const struct kind kind_thread;

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define ARCH_SHSTK_STATUS 0x5005

enum { NAME_SIZE = 16, ROBUST_LIST_SIZE = 24, ROBUST_LIST_SIZE_32 = 12, RSEQ_SIZE_MAX = 4096 };

RECORDS_BEGIN
struct thread_rec {
	unsigned char name[NAME_SIZE];
	le64 clear_tid;
	le64 robust_list;
	le64 rseq; /* 0: none */
	le64 altstack;
	le64 altstack_size;
	le64 timer_slack; /* ns; 0: a real-time thread, which has none */
	le32 altstack_flags;
	le32 rseq_size;
	le32 rseq_signature;
	le32 death_signal; /* 0: none */
	le32 mce_policy;   /* PR_MCE_KILL_* */
	le32 reserved;	   /* zero */
};
RECORDS_END
static_assert(sizeof(struct thread_rec) == 88, "image format");

/* As the target's kernel writes it. */
struct thread_written {
	unsigned char name[NAME_SIZE];
	uint64_t clear_tid;
	uint64_t robust_list;
	uint64_t robust_size;
	uint64_t shadow_stack;
	stack_t altstack;
	int death_signal;
};

/* A ring of io_uring may be nothing but a number of its thread, without a descriptor or memory of
 * the kernel's (6.5). The last number is one that none can have. */
enum { RING_NUMBERS = 16 };
#define REGISTER_BY_NUMBER (1u << 31)

struct thread_answers {
	uint64_t written;
	size_t slack, mce;
	bool has_asked_for_rings;
	size_t first_ring;
};

static void query_rings(struct script *s, struct thread_answers *at)
{
	const uint64_t args[6] = { RING_NUMBERS, IORING_REGISTER_PROBE | REGISTER_BY_NUMBER };
	struct err ignored = ERR_NONE;
	uint64_t answer;

	/* A filter that kills for this has kept it from making any. */
	if (remote_check_call(s->remote, "ask for a ring", SYS_io_uring_register, args, &ignored) <
	    0)
		return;
	at->has_asked_for_rings = true;
	at->first_ring = s->count;
	answer = script_out(s, sizeof(struct io_uring_probe));
	for (uint64_t i = 0; i <= RING_NUMBERS; i++)
		(void)script_syscall(s, "ask for a ring", SCRIPT_MAY_FAIL, SYS_io_uring_register, i,
				     args[1], answer, 0);
}

static bool has_ring(struct script *s, const struct thread_answers *at)
{
	int64_t none;

	if (!at->has_asked_for_rings)
		return false;
	none = script_result(s, at->first_ring + RING_NUMBERS);
	for (size_t i = 0; i < RING_NUMBERS; i++) {
		int64_t result = script_result(s, at->first_ring + i);

		/* The last: an older kernel, which takes the number for a descriptor. */
		if (result != none && result != -EBADF && result != -EINVAL &&
		    result != -EOPNOTSUPP)
			return true;
	}
	return false;
}

#define ANSWER(field) (out + offsetof(struct thread_written, field))

static void thread_query(struct dump *d, struct script *s, void *ret_answers)
{
	struct thread_answers *at = ret_answers;
	uint64_t out = script_out(s, sizeof(struct thread_written));

	(void)d;
	at->written = out;
	(void)script_syscall(s, "get name", 0, SYS_prctl, PR_GET_NAME, ANSWER(name));
	(void)script_syscall(s, "get tid address", 0, SYS_prctl, PR_GET_TID_ADDRESS,
			     ANSWER(clear_tid));
	if (remote_is_32(s->remote)) /* which fills the lower halves */
		(void)script_syscall(s, "get robust list", SCRIPT_32, NR32_GET_ROBUST_LIST, 0,
				     ANSWER(robust_list), ANSWER(robust_size));
	else
		(void)script_syscall(s, "get robust list", 0, SYS_get_robust_list, 0,
				     ANSWER(robust_list), ANSWER(robust_size));
	(void)script_syscall(s, "get alternate signal stack", 0, SYS_sigaltstack, 0,
			     ANSWER(altstack));
	(void)script_syscall(s, "get parent death signal", 0, SYS_prctl, PR_GET_PDEATHSIG,
			     ANSWER(death_signal));
	at->slack = script_syscall(s, "get timer slack", 0, SYS_prctl, PR_GET_TIMERSLACK);
	at->mce = script_syscall(s, "get machine check policy", 0, SYS_prctl, PR_MCE_KILL_GET);
	(void)script_syscall(s, "get shadow stack", SCRIPT_MAY_FAIL, SYS_arch_prctl,
			     ARCH_SHSTK_STATUS, ANSWER(shadow_stack));
	query_rings(s, at);
}

static int thread_read_rseq(pid_t tid, struct thread_rec *rec, struct err *err)
{
	struct __ptrace_rseq_configuration rseq = { .rseq_abi_pointer = 0 };

	/* EIO: a kernel without rseq. */
	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(rseq), &rseq) < 0 && errno != EIO)
		return err_set(err, -errno, "read rseq");
	if (rseq.rseq_abi_pointer == 0)
		return 0;
	rec->rseq = le64_make(rseq.rseq_abi_pointer);
	rec->rseq_size = le32_make(rseq.rseq_abi_size);
	rec->rseq_signature = le32_make(rseq.signature);
	return 0;
}

static int thread_dump(struct dump *d, struct err *err)
{
	const struct thread_answers *at = dump_answers(d, &kind_thread);
	const struct thread_written *written =
	    script_output(d->script, at->written, sizeof(*written), err);
	struct thread_rec rec = { .reserved = le32_make(0) };
	int r;

	if (!written)
		return err->code;
	r = thread_read_rseq(d->thread->tid, &rec, err);
	if (r < 0)
		return r;
	if (has_ring(d->script, at))
		return dump_block(d, NULL,
				  "a ring of io_uring that it has registered is not supported");
	if (written->shadow_stack != 0)
		return dump_block(d, NULL, "a shadow stack is not supported");
	rec.timer_slack = le64_make((uint64_t)script_result(d->script, at->slack));
	rec.mce_policy = le32_make((uint32_t)script_result(d->script, at->mce));
	/* What stands behind the end of the name is not part of it. */
	memcpy(rec.name, written->name, strnlen((const char *)written->name, NAME_SIZE - 1));
	rec.clear_tid = le64_make(written->clear_tid);
	rec.robust_list = le64_make(written->robust_list);
	rec.death_signal = le32_make((uint32_t)written->death_signal);
	if (written->altstack.ss_flags & SS_DISABLE) {
		rec.altstack_flags = le32_make(SS_DISABLE);
	} else {
		rec.altstack = le64_make((uint64_t)(uintptr_t)written->altstack.ss_sp);
		rec.altstack_size = le64_make(written->altstack.ss_size);
		/* SS_ONSTACK only says where it is running. */
		rec.altstack_flags =
		    le32_make((uint32_t)written->altstack.ss_flags & SS_AUTODISARM);
	}
	dump_record(d, d->thread->id, &kind_thread, &rec, sizeof(rec));
	return 0;
}

static int check_rseq(const struct thread_rec *rec, struct err *err)
{
	uint32_t size = le32_get(rec->rseq_size);

	if (le64_get(rec->rseq) == 0) {
		if (size != 0 || le32_get(rec->rseq_signature) != 0)
			return err_set(err, ERR_DAMAGED, "thread: rseq without an address");
		return 0;
	}
	if (size < 32 || size > RSEQ_SIZE_MAX)
		return err_set(err, ERR_DAMAGED, "thread: rseq of %" PRIu32 " bytes", size);
	return 0;
}

static int check_altstack(const struct thread_rec *rec, struct err *err)
{
	uint32_t flags = le32_get(rec->altstack_flags);

	if (flags != 0 && flags != SS_DISABLE && flags != SS_AUTODISARM)
		return err_set(err, ERR_DAMAGED, "thread: unknown bits of the signal stack");
	if (flags == SS_DISABLE &&
	    (le64_get(rec->altstack) != 0 || le64_get(rec->altstack_size) != 0))
		return err_set(err, ERR_DAMAGED, "thread: a disabled signal stack has an address");
	return 0;
}

static int thread_check(const void *body, size_t length, struct err *err)
{
	const struct thread_rec *rec = body;
	int r;

	if (length != sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "thread: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "thread: unknown bits");
	if (rec->name[NAME_SIZE - 1] != 0)
		return err_set(err, ERR_DAMAGED, "thread: a name without an end");
	if (le32_get(rec->death_signal) > 64)
		return err_set(err, ERR_DAMAGED, "thread: death signal %" PRIu32,
			       le32_get(rec->death_signal));
	if (le32_get(rec->mce_policy) > PR_MCE_KILL_DEFAULT)
		return err_set(err, ERR_DAMAGED, "thread: machine check policy %" PRIu32,
			       le32_get(rec->mce_policy));
	if (les64_get(rec->timer_slack) < 0)
		return err_set(err, ERR_DAMAGED, "thread: impossible timer slack");
	r = check_rseq(rec, err);
	if (r < 0)
		return r;
	return check_altstack(rec, err);
}

static void finish_memory(const struct thread_rec *rec, bool is_32, struct script *script)
{
	const stack_t altstack = { .ss_sp = (void *)(uintptr_t)le64_get(rec->altstack),
				   .ss_flags = les32_get(rec->altstack_flags),
				   .ss_size = le64_get(rec->altstack_size) };

	(void)script_syscall(script, "set tid address", 0, SYS_set_tid_address,
			     le64_get(rec->clear_tid));
	if (is_32)
		(void)script_syscall(script, "set robust list", SCRIPT_32, NR32_SET_ROBUST_LIST,
				     le64_get(rec->robust_list), ROBUST_LIST_SIZE_32);
	else
		(void)script_syscall(script, "set robust list", 0, SYS_set_robust_list,
				     le64_get(rec->robust_list), ROBUST_LIST_SIZE);
	(void)script_syscall(script, "set alternate signal stack", 0, SYS_sigaltstack,
			     script_copy(script, &altstack, sizeof(altstack)), 0);
	if (le64_get(rec->rseq) != 0)
		(void)script_syscall(script, "register rseq", 0, SYS_rseq, le64_get(rec->rseq),
				     le32_get(rec->rseq_size), 0, le32_get(rec->rseq_signature));
}

static bool is_root(const struct image *image, uint32_t thread)
{
	const struct record *task = image_find(image, TAG_TASK, owner_task_of(image, thread));

	return task && le32_get(((const struct task_rec *)task->body)->parent) == 0;
}

/* The parent of a first task is outside of the container, and after a restore it is ctckpt, whose
 * end would be taken for the end of that parent. */
static void finish_death_signal(struct restore *rs, const struct record *record,
				struct script *script)
{
	const struct thread_rec *rec = record->body;
	uint32_t signal = le32_get(rec->death_signal);

	if (signal != 0 && is_root(rs->image, record->id)) {
		restore_note(rs, "%s: the signal of its parent's death is off: that was outside",
			     (const char *)rec->name);
		signal = 0;
	}
	(void)script_syscall(script, "set parent death signal", 0, SYS_prctl, PR_SET_PDEATHSIG,
			     signal);
}

/* A change of ids forgets the death signal: this comes behind PHASE_IDENTITY. */
static int thread_finish(struct restore *rs, const struct record *record, struct script *script,
			 struct err *err)
{
	const struct thread_rec *rec = record->body;
	int r = script_room(script, 8, 256, err);

	if (r < 0)
		return r;
	finish_memory(rec, compat_is_32(rs->image, owner_task_of(rs->image, record->id)), script);
	(void)script_syscall(script, "set name", 0, SYS_prctl, PR_SET_NAME,
			     script_copy(script, rec->name, NAME_SIZE));
	finish_death_signal(rs, record, script);
	if (le64_get(rec->timer_slack) != 0)
		(void)script_syscall(script, "set timer slack", 0, SYS_prctl, PR_SET_TIMERSLACK,
				     le64_get(rec->timer_slack));
	if (le32_get(rec->mce_policy) != PR_MCE_KILL_DEFAULT)
		(void)script_syscall(script, "set machine check policy", 0, SYS_prctl, PR_MCE_KILL,
				     PR_MCE_KILL_SET, le32_get(rec->mce_policy), 0, 0);
	return 0;
}

const struct kind kind_thread = {
	.name = "thread",
	.summary = "name, death signal, timer slack, rseq, robust list, signal stack of a thread",
	.tag = TAG('T', 'A', 'T', 'T'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_LIMITS,
	.answers_size = sizeof(struct thread_answers),
	.query = thread_query,
	.dump = thread_dump,
	.check = thread_check,
	.link = owner_link_thread,
	.finish = thread_finish,
};
