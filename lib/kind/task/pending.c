/* pending: signals sent but not yet taken: a thread's own, and with the leader those of the whole
 * process. Restored behind the signal actions, since setting SIG_IGN would throw them away, and
 * before RLIMIT_SIGPENDING gets low. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/owner.h"

extern const struct kind kind_pending;

/* What the kernel keeps of a siginfo_t; the rest of its 128 bytes is zero. */
/* For each signal that is looked at, the kernel goes through all in front of it. */
enum { SIGINFO_SIZE = 48, PENDING_MAX = 16384 };

RECORDS_BEGIN
struct pending_rec {
	le32 own_count;	   /* signals of the thread; they stand first */
	le32 shared_count; /* of the process: leader only */
	le32 process;	   /* task id */
	le32 reserved;	   /* zero */
	struct {
		unsigned char siginfo[SIGINFO_SIZE];
	} signals[];
};
RECORDS_END
static_assert(sizeof(struct pending_rec) == 16, "image format");

static int signal_of(const unsigned char *siginfo)
{
	int signal;

	memcpy(&signal, siginfo, sizeof(signal));
	return signal;
}

static size_t count_in(const struct buf *body)
{
	return (body->size - sizeof(struct pending_rec)) / SIGINFO_SIZE;
}

/* Appends all queued signals, or more than can be saved, and takes their bits out of *unseen. */
static int append_queued(const struct dump_thread *thread, unsigned int flags, struct buf *body,
			 uint64_t *unseen, struct err *err)
{
	siginfo_t infos[16];
	struct __ptrace_peeksiginfo_args args = { .flags = flags, .nr = 16 };

	while (count_in(body) <= PENDING_MAX) {
		long n = ptrace(PTRACE_PEEKSIGINFO, thread->tid, &args, infos);

		if (n < 0)
			return err_set(err, -errno, "read pending signals");
		if (n == 0)
			return 0;
		for (long i = 0; i < n; i++) {
			(void)buf_append(body, &infos[i], SIGINFO_SIZE);
			*unseen &= ~(UINT64_C(1) << (infos[i].si_signo - 1));
		}
		args.off += (uint64_t)n;
	}
	return 0;
}

/* When its queue is full, the kernel notes just the number; this is what the task would get. */
static void append_unqueued(uint64_t unseen, struct buf *body)
{
	for (int signal = 1; signal <= 64; signal++) {
		siginfo_t info = { .si_signo = signal };

		if (signal != SIGKILL && unseen >> (signal - 1) & 1)
			(void)buf_append(body, &info, SIGINFO_SIZE);
	}
}

static bool has_sigtrap(const struct buf *body)
{
	for (size_t at = sizeof(struct pending_rec); at < body->size; at += SIGINFO_SIZE) {
		if (signal_of((unsigned char *)body->data + at) == SIGTRAP)
			return true;
	}
	return false;
}

static int pending_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct dump_thread *thread = d->thread;
	struct pending_rec rec = { .process = le32_make(d->task->id) };
	uint64_t unseen = thread->status.sig_pending;
	size_t own_count, shared_count;
	int r;

	(void)buf_append(&body, &rec, sizeof(rec));
	r = append_queued(thread, 0, &body, &unseen, err);
	if (r < 0)
		return r;
	append_unqueued(unseen, &body);
	own_count = count_in(&body);
	if (thread == &d->task->threads[0]) {
		unseen = thread->status.shared_pending;
		r = append_queued(thread, PTRACE_PEEKSIGINFO_SHARED, &body, &unseen, err);
		if (r < 0)
			return r;
		append_unqueued(unseen, &body);
	}
	shared_count = count_in(&body) - own_count;
	if (own_count + shared_count == 0)
		return 0;
	if (own_count + shared_count > PENDING_MAX)
		return dump_block(d, NULL, "more than %d pending signals", PENDING_MAX);
	if (has_sigtrap(&body)) {
		(void)dump_block(d, NULL, "a pending SIGTRAP cannot be saved");
		/* One that steps itself, or is full of breakpoints, takes it in a moment. */
		if (!(thread->status.sig_blocked >> (SIGTRAP - 1) & 1))
			dump_block_is_momentary(d);
		return 0;
	}
	rec.own_count = le32_make((uint32_t)own_count);
	rec.shared_count = le32_make((uint32_t)shared_count);
	memcpy(body.data, &rec, sizeof(rec));
	dump_record(d, thread->id, &kind_pending, body.data, body.size);
	return 0;
}

static int pending_check(const void *body, size_t length, struct err *err)
{
	const struct pending_rec *rec = body;
	uint64_t count;

	if (length < sizeof(*rec))
		return err_set(err, ERR_DAMAGED, "pending: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "pending: unknown bits");
	count = (uint64_t)le32_get(rec->own_count) + le32_get(rec->shared_count);
	if (count == 0 || count > PENDING_MAX)
		return err_set(err, ERR_DAMAGED, "pending: %" PRIu64 " signals", count);
	if (length != sizeof(*rec) + count * SIGINFO_SIZE)
		return err_set(err, ERR_DAMAGED, "pending: %zu bytes for %" PRIu64 " signals",
			       length, count);
	for (uint64_t i = 0; i < count; i++) {
		int signal = signal_of(rec->signals[i].siginfo);

		/* Our own stub ends in a SIGTRAP; another one would be taken for it. */
		if (signal < 1 || signal > 64 || signal == SIGKILL || signal == SIGTRAP)
			return err_set(err, ERR_DAMAGED, "pending: signal %d", signal);
	}
	return 0;
}

static int pending_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct pending_rec *rec = record->body;
	int r = owner_link_thread(image, record, err);

	if (r < 0)
		return r;
	if (owner_task_of(image, record->id) != le32_get(rec->process))
		return err_set(err, ERR_DAMAGED, "pending: of another process");
	return 0;
}

static int pending_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	const struct pending_rec *rec = record->body;
	uint32_t own_count = le32_get(rec->own_count);
	uint32_t count = own_count + le32_get(rec->shared_count);
	pid_t pid = restore_pid(rs, le32_get(rec->process));
	pid_t tid = restore_pid(rs, record->id);

	for (uint32_t i = 0; i < count; i++) {
		unsigned char info[sizeof(siginfo_t)] = { 0 };
		int signal = signal_of(rec->signals[i].siginfo);
		int r = script_room(script, 1, sizeof(info), err);
		uint64_t address;

		if (r < 0)
			return r;
		memcpy(info, rec->signals[i].siginfo, SIGINFO_SIZE);
		address = script_copy(script, info, sizeof(info));
		/* Only to itself may a task send what looks like the kernel's own. */
		if (i < own_count)
			(void)script_syscall(script, "queue a signal to a thread", 0,
					     SYS_rt_tgsigqueueinfo, pid, tid, signal, address);
		else
			(void)script_syscall(script, "queue a signal", 0, SYS_rt_sigqueueinfo, pid,
					     signal, address);
	}
	return 0;
}

const struct kind kind_pending = {
	.name = "pending",
	.summary = "pending signals",
	.tag = TAG('S', 'I', 'G', 'P'),
	.scope = SCOPE_THREAD,
	.phase = PHASE_IDENTITY,
	.dump = pending_dump,
	.check = pending_check,
	.link = pending_link,
	.finish = pending_finish,
};
