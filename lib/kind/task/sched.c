/* sched: scheduling policy, niceness, real-time priority, CPUs and I/O priority of a thread. */
#include <errno.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "kind/kind.h"
#include "kind/support/loss.h"
#include "kind/support/owner.h"

extern const struct kind kind_sched;

#define SCHED_FLAG_RESET_ON_FORK 1u
#define DEADLINE_POLICY		 6u /* SCHED_DEADLINE, which glibc lacks */

/* As of sched_setattr(2): <linux/sched/types.h> and <sched.h> cannot be had together. */
struct kernel_sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max; /* 5.3; not in attr_size_min */
};
static const uint32_t attr_size_min = offsetof(struct kernel_sched_attr, util_min);

enum {
	IO_CLASS_SHIFT = 13,
	IS_RESET_ON_FORK = 1,
	HAS_DEADLINE = 2,
	MASK_WORDS_MAX = 128, /* 8,192 CPUs, the most that the kernel can be built for */
	UCLAMP_MAX = 1024,
	DEADLINE_LEAST = 1024, /* of the runtime: a smaller one is no bandwidth */
};

RECORDS_BEGIN
struct sched_rec {
	le32 policy;
	le32 priority;	  /* real-time policies: 1 to 99 */
	le32 nice;	  /* signed */
	le32 flags;	  /* 1 reset on fork, 2 with a deadline */
	le32 io_priority; /* as of ioprio_set(2); 0: none set */
	le32 word_count;
	le64 cpus[]; /* a mask; none: every CPU that was there */
};

/* Behind the mask, in nanoseconds. */
struct sched_deadline_rec {
	le64 runtime;
	le64 deadline;
	le64 period;
};
RECORDS_END
static_assert(sizeof(struct sched_rec) == 24, "image format");

/* clang-format off */
#define SCHED_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, policy, CLASS_SCHED) \
	FIELD(rec, priority, CLASS_RT_PRIORITY) \
	FIELD(rec, nice, CLASS_NICE) \
	FIELD(rec, flags, CLASS_SCHED) \
	FIELD(rec, io_priority, CLASS_IOPRIO) \
	FIELD(rec, word_count, FIELD_FORM) \
	TAIL(rec, cpus, CLASS_AFFINITY)
/* clang-format on */
FIELDS_OF(sched, struct sched_rec, SCHED_FIELDS);

static const struct sched_deadline_rec *deadline_of(const struct sched_rec *rec)
{
	return (const void *)(rec->cpus + le32_get(rec->word_count));
}

static bool is_real_time(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_known_policy(uint32_t policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE ||
	       policy == DEADLINE_POLICY || is_real_time(policy);
}

/* A thread is free to run anywhere, or the mask says where. Owned; *ret_count in words. */
static int sched_read_cpus(pid_t tid, uint64_t **ret_mask, size_t *ret_count, struct err *err)
{
	auto_free uint64_t *mask = mem_alloc(MASK_WORDS_MAX, sizeof(*mask));
	long n = syscall(SYS_sched_getaffinity, tid, MASK_WORDS_MAX * sizeof(*mask), mask);
	size_t words = 0;
	int cpus = 0;

	if (n < 0)
		return err_set(err, -errno, "read affinity");
	for (size_t i = 0; i < MASK_WORDS_MAX; i++) {
		cpus += __builtin_popcountll(mask[i]);
		if (mask[i] != 0)
			words = i + 1;
	}
	*ret_count = cpus >= get_nprocs() ? 0 : words;
	*ret_mask = take_ptr(mask);
	return 0;
}

static bool has_clamps(const struct kernel_sched_attr *attr)
{
	/* A kernel without them leaves both 0; real-time threads start with both 1,024. */
	if (is_real_time(attr->policy) || attr->policy == DEADLINE_POLICY)
		return false;
	return attr->util_min != 0 || (attr->util_max != UCLAMP_MAX && attr->util_max != 0);
}

/* Core scheduling keeps strangers off a core: a confinement that cannot be read in full. */
static bool has_core_cookie(pid_t tid)
{
	uint64_t cookie = 0;

	return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, tid, PR_SCHED_CORE_SCOPE_THREAD, &cookie) ==
		   0 &&
	       cookie != 0;
}

/* The niceness of a session as a whole, beside others; kernels without it have no such file. */
static bool has_nice_session(const struct dump_task *task)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err err = ERR_NONE;
	const char *nice;

	if (procfs_read(task->proc, "autogroup", &text, &err) < 0)
		return false;
	nice = strstr(text.data, " nice ");
	return nice && strtol(nice + strlen(" nice "), NULL, 10) != 0;
}

/* What cannot be saved; NULL: all can. */
static const char *find_unsupported(const struct dump *d, const struct kernel_sched_attr *attr)
{
	if (attr->policy == DEADLINE_POLICY && attr->flags & ~(uint64_t)SCHED_FLAG_RESET_ON_FORK)
		return "flags of deadline scheduling are not supported";
	if (has_clamps(attr))
		return "utilization clamps are not supported";
	if (has_core_cookie(d->thread->tid))
		return "core scheduling is not supported";
	if (d->thread == d->task->threads && has_nice_session(d->task))
		return "the niceness of a session as a whole (autogroup) is not supported";
	return NULL;
}

/* The kernel has one for all that asked for none (6.12): ours. */
static bool has_slice(const struct kernel_sched_attr *attr)
{
	struct kernel_sched_attr own = { .size = 0 };

	return (attr->policy == SCHED_OTHER || attr->policy == SCHED_BATCH) &&
	       syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) == 0 &&
	       own.policy == SCHED_OTHER && attr->runtime != own.runtime;
}

static void sched_write(struct dump *d, const struct kernel_sched_attr *attr, uint32_t io_priority,
			const uint64_t *mask, size_t words)
{
	bool has_deadline = attr->policy == DEADLINE_POLICY;
	uint32_t flags = (attr->flags & SCHED_FLAG_RESET_ON_FORK ? IS_RESET_ON_FORK : 0) |
			 (has_deadline ? HAS_DEADLINE : 0);
	const struct sched_deadline_rec deadline = { .runtime = le64_make(attr->runtime),
						     .deadline = le64_make(attr->deadline),
						     .period = le64_make(attr->period) };
	struct sched_rec rec = {
		.policy = le32_make(attr->policy),
		.priority = le32_make(attr->priority),
		.nice = le32_make(
		    is_real_time(attr->policy) || has_deadline ? 0 : (uint32_t)attr->nice),
		.flags = le32_make(flags),
		.io_priority = le32_make(io_priority),
		.word_count = le32_make((uint32_t)words),
	};
	auto_buf struct buf body = BUF_EMPTY;

	(void)buf_append(&body, &rec, sizeof(rec));
	for (size_t i = 0; i < words; i++) {
		le64 word = le64_make(mask[i]);

		(void)buf_append(&body, &word, sizeof(word));
	}
	if (has_deadline)
		(void)buf_append(&body, &deadline, sizeof(deadline));
	dump_record(d, d->thread->id, &kind_sched, body.data, body.size);
}

static int sched_dump(struct dump *d, struct err *err)
{
	pid_t tid = d->thread->tid;
	struct kernel_sched_attr attr = { .size = 0 };
	auto_free uint64_t *mask = NULL;
	const char *unsupported;
	size_t words = 0;
	long io_priority;
	int r;

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0) < 0)
		return err_set(err, -errno, "read scheduling policy");
	if (!is_known_policy(attr.policy))
		return dump_block(d, "chrt --other puts a task back",
				  "scheduling policy %u is not supported", attr.policy);
	unsupported = find_unsupported(d, &attr);
	if (unsupported)
		return dump_block(d, NULL, "%s", unsupported);
	io_priority = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
	if (io_priority < 0)
		return err_set(err, -errno, "read I/O priority");
	/* Without a class the level says nothing. */
	if (io_priority >> IO_CLASS_SHIFT == IOPRIO_CLASS_NONE)
		io_priority = 0;
	r = sched_read_cpus(tid, &mask, &words, err);
	if (r < 0)
		return r;
	sched_write(d, &attr, (uint32_t)io_priority, mask, words);
	if (has_slice(&attr))
		dump_loss(d, LOSS_SLICE, d->thread->id, 1, NULL);
	return 0;
}

static int check_priorities(const struct sched_rec *rec, struct err *err)
{
	uint32_t policy = le32_get(rec->policy);
	uint32_t priority = le32_get(rec->priority);
	uint32_t io = le32_get(rec->io_priority);
	int32_t nice = les32_get(rec->nice);

	if (!is_known_policy(policy))
		return err_set(err, ERR_DAMAGED, "sched: unknown policy %" PRIu32, policy);
	if (is_real_time(policy) ? priority < 1 || priority > 99 : priority != 0)
		return err_set(err, ERR_DAMAGED, "sched: priority %" PRIu32, priority);
	if (nice < -20 || nice > 19 ||
	    ((is_real_time(policy) || policy == DEADLINE_POLICY) && nice != 0))
		return err_set(err, ERR_DAMAGED, "sched: niceness %" PRId32, nice);
	if (io >> IO_CLASS_SHIFT > IOPRIO_CLASS_IDLE ||
	    (io != 0 && io >> IO_CLASS_SHIFT == IOPRIO_CLASS_NONE))
		return err_set(err, ERR_DAMAGED, "sched: I/O priority %" PRIu32, io);
	return 0;
}

/* The kernel's own rules for the three times; they must fit into 63 bits. */
static int check_deadline(const struct sched_deadline_rec *rec, struct err *err)
{
	uint64_t runtime = le64_get(rec->runtime);
	uint64_t deadline = le64_get(rec->deadline);
	uint64_t period = le64_get(rec->period);

	if (runtime < DEADLINE_LEAST || runtime > deadline || deadline > period ||
	    period > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "sched: impossible deadline");
	return 0;
}

static int sched_check(const void *body, size_t length, struct err *err)
{
	const struct sched_rec *rec = body;
	uint32_t words;
	bool has_deadline;
	size_t size;
	int r;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "sched: %zu bytes", length);
	words = le32_get(rec->word_count);
	has_deadline = le32_get(rec->flags) & HAS_DEADLINE;
	size = sizeof(*rec) + words * sizeof(rec->cpus[0]);
	if (words > MASK_WORDS_MAX ||
	    length != size + (has_deadline ? sizeof(struct sched_deadline_rec) : 0))
		return err_set(err, ERR_DAMAGED, "sched: %zu bytes for %" PRIu32 " words of CPUs",
			       length, words);
	if (words > 0 && le64_get(rec->cpus[words - 1]) == 0)
		return err_set(err, ERR_DAMAGED, "sched: the last word of CPUs is empty");
	if (le32_get(rec->flags) > (IS_RESET_ON_FORK | HAS_DEADLINE) ||
	    has_deadline != (le32_get(rec->policy) == DEADLINE_POLICY))
		return err_set(err, ERR_DAMAGED, "sched: unknown bits");
	r = check_priorities(rec, err);
	if (r == 0 && has_deadline)
		r = check_deadline(deadline_of(rec), err);
	return r;
}

static void ask_cpus(struct plan *plan, const struct record *record)
{
	const struct sched_rec *rec = record->body;

	for (uint32_t i = 0; i < le32_get(rec->word_count); i++) {
		const struct question question = { .class = CLASS_AFFINITY,
						   .id = record->id,
						   .detail = i,
						   .saved = le64_get(rec->cpus[i]) };

		plan_ask(plan, &question);
	}
}

static int sched_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct sched_rec *rec = record->body;
	uint32_t reset = le32_get(rec->flags) & IS_RESET_ON_FORK ? SCHED_RESET_ON_FORK : 0;
	const struct question policy = { .class = CLASS_SCHED,
					 .id = record->id,
					 .saved = le32_get(rec->policy) | reset };
	const struct question nice = { .class = CLASS_NICE,
				       .id = record->id,
				       .saved = (uint64_t)(int64_t)les32_get(rec->nice) };

	(void)image;
	(void)err;
	plan_ask(plan, &policy);
	plan_ask(plan, &nice);
	if (is_real_time(le32_get(rec->policy)))
		plan_ask(plan, &(struct question){ .class = CLASS_RT_PRIORITY,
						   .id = record->id,
						   .saved = le32_get(rec->priority) });
	if (le32_get(rec->io_priority))
		plan_ask(plan, &(struct question){ .class = CLASS_IOPRIO,
						   .id = record->id,
						   .saved = le32_get(rec->io_priority) });
	ask_cpus(plan, record);
	return 0;
}

static void finish_cpus(const struct restore *rs, const struct record *record,
			struct script *script)
{
	const struct sched_rec *rec = record->body;
	uint64_t mask[MASK_WORDS_MAX] = { 0 };
	uint32_t words = le32_get(rec->word_count);
	bool is_empty = true;

	for (uint32_t i = 0; i < words; i++) {
		mask[i] = plan_value(rs->plan, CLASS_AFFINITY, record->id, i, 0);
		is_empty &= mask[i] == 0;
	}
	/* Empty: every CPU of the invoker's. */
	if (!is_empty)
		(void)script_syscall(script, "set affinity", 0, SYS_sched_setaffinity, 0,
				     words * sizeof(mask[0]),
				     script_copy(script, mask, words * sizeof(mask[0])));
}

/* The real-time class is for those who are privileged on the host itself. */
static int finish_io(struct restore *rs, const struct record *record, struct script *script,
		     struct err *err)
{
	const struct decision *io = plan_answer(rs->plan, CLASS_IOPRIO, record->id, 0);

	/* None was saved; but the invoker's is inherited. */
	if (!io && syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) > 0)
		(void)script_syscall(script, "set no I/O priority", 0, SYS_ioprio_set,
				     IOPRIO_WHO_PROCESS, 0, 0);
	if (!io)
		return 0;
	if (!io->from_outside)
		(void)script_syscall(script, "set I/O priority", 0, SYS_ioprio_set,
				     IOPRIO_WHO_PROCESS, 0, io->effective);
	else if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, script->remote->tid, io->effective) <
		 0)
		return err_set(err, -errno, "set I/O priority");
	return 0;
}

/* The soft limit may forbid what the hard one allows; both are set again later. */
static void raise_limit(const struct restore *rs, unsigned int resource, struct script *script)
{
	uint64_t hard = plan_facts(rs->plan)->hard_limits[resource];
	const struct rlimit limit = { .rlim_cur = hard, .rlim_max = hard };

	(void)script_syscall(script, "raise a limit", 0, SYS_prlimit64, 0, resource,
			     script_copy(script, &limit, sizeof(limit)), 0);
}

static struct kernel_sched_attr planned_attr(const struct restore *rs, const struct record *record)
{
	const struct sched_rec *rec = record->body;
	uint64_t inherited = (uint64_t)(int64_t)plan_facts(rs->plan)->nice;
	uint64_t policy = plan_value(rs->plan, CLASS_SCHED, record->id, 0, SCHED_OTHER);
	struct kernel_sched_attr attr = {
		.size = attr_size_min,
		.policy = (uint32_t)policy & ~(uint32_t)SCHED_RESET_ON_FORK,
		.flags = policy & SCHED_RESET_ON_FORK ? SCHED_FLAG_RESET_ON_FORK : 0,
	};

	if (is_real_time(attr.policy)) {
		attr.priority = (uint32_t)plan_value(rs->plan, CLASS_RT_PRIORITY, record->id, 0, 0);
	} else if (attr.policy == DEADLINE_POLICY) {
		const struct sched_deadline_rec *deadline = deadline_of(rec);

		attr.runtime = le64_get(deadline->runtime);
		attr.deadline = le64_get(deadline->deadline);
		attr.period = le64_get(deadline->period);
	} else {
		attr.nice = (int32_t)plan_value(rs->plan, CLASS_NICE, record->id, 0, inherited);
	}
	return attr;
}

static bool is_from_outside(const struct restore *rs, uint32_t id)
{
	static const enum policy_class classes[] = { CLASS_SCHED, CLASS_NICE, CLASS_RT_PRIORITY };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		const struct decision *decision = plan_answer(rs->plan, classes[i], id, 0);

		if (decision && decision->from_outside)
			return true;
	}
	return false;
}

static int finish_outside(const struct kernel_sched_attr *attr, struct script *script,
			  struct err *err)
{
	pid_t tid = script->remote->tid;
	int r = script_run(script, err);

	if (r < 0)
		return r;
	if (syscall(SYS_sched_setattr, tid, attr, 0) < 0)
		return err_set(err, -errno, "set scheduling policy");
	if (attr->policy == SCHED_IDLE && setpriority(PRIO_PROCESS, (id_t)tid, attr->nice) < 0)
		return err_set(err, -errno, "set niceness");
	return 0;
}

static int sched_finish(struct restore *rs, const struct record *record, struct script *script,
			struct err *err)
{
	const struct kernel_sched_attr attr = planned_attr(rs, record);
	int r = script_room(script, 8, MASK_WORDS_MAX * 8 + 512, err);

	if (r < 0)
		return r;
	finish_cpus(rs, record, script);
	r = finish_io(rs, record, script, err);
	if (r < 0)
		return r;
	if (is_from_outside(rs, record->id))
		return finish_outside(&attr, script, err);
	if (is_real_time(attr.policy))
		raise_limit(rs, RLIMIT_RTPRIO, script);
	else if (plan_facts(rs->plan)->hard_limits[RLIMIT_NICE] > 0)
		raise_limit(rs, RLIMIT_NICE, script);
	(void)script_syscall(script, "set scheduling policy", 0, SYS_sched_setattr, 0,
			     script_copy(script, &attr, sizeof(attr)), 0);
	/* sched_setattr(2) takes no niceness of idle threads, though they have one. */
	if (attr.policy == SCHED_IDLE)
		(void)script_syscall(script, "set niceness", 0, SYS_setpriority, PRIO_PROCESS, 0,
				     (uint64_t)attr.nice);
	return 0;
}

const struct kind kind_sched = {
	.name = "sched",
	.summary = "scheduling policy, niceness, CPUs, I/O priority",
	.tag = TAG('S', 'C', 'H', 'D'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_STATE,
	.fields = sched_fields,
	.dump = sched_dump,
	.check = sched_check,
	.link = owner_link_thread,
	.ask = sched_ask,
	.finish = sched_finish,
};
