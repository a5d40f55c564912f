/* The post-check of what the kernel tells about a stopped thread without its help: scheduling, I/O
 * priority, CPUs, and how readily it is killed. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "restore/restore.h"

enum { CPU_WORDS = 1024 };

/* The first 48 bytes of what sched_getattr(2) gives. */
struct sched_state {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int differs(const struct restore_thread *thread, const char *what, int64_t found,
		   int64_t planned, struct err *err)
{
	return err_set(err, ERR_FAILED, "task %d: %s is %" PRId64 ", not %" PRId64 " as planned",
		       thread->vtid, what, found, planned);
}

static int check_scheduling(const struct restore *rs, const struct restore_thread *thread,
			    struct err *err)
{
	const struct decision *policy = plan_answer(rs->plan, CLASS_SCHED, thread->record->id, 0);
	const struct decision *nice = plan_answer(rs->plan, CLASS_NICE, thread->record->id, 0);
	int64_t priority =
	    (int64_t)plan_value(rs->plan, CLASS_RT_PRIORITY, thread->record->id, 0, 0);
	struct sched_state state = { .size = 0 };
	uint64_t found;

	if (!policy)
		return 0;
	if (syscall(SYS_sched_getattr, thread->tid, &state, sizeof(state), 0) < 0)
		return err_set(err, -errno, "task %d: read scheduling policy", thread->vtid);
	found = state.policy | (state.flags & 1 ? SCHED_RESET_ON_FORK : 0);
	if (found != policy->effective)
		return differs(thread, "its scheduling policy", (int64_t)found,
			       (int64_t)policy->effective, err);
	if ((int64_t)state.priority != priority)
		return differs(thread, "its real-time priority", state.priority, priority, err);
	/* Real-time and deadline policies have no niceness. */
	if (nice && (state.policy == SCHED_OTHER || state.policy == SCHED_BATCH) &&
	    state.nice != (int64_t)nice->effective)
		return differs(thread, "its niceness", state.nice, (int64_t)nice->effective, err);
	return 0;
}

static int check_io(const struct restore *rs, const struct restore_thread *thread, struct err *err)
{
	const struct decision *io = plan_answer(rs->plan, CLASS_IOPRIO, thread->record->id, 0);
	long found;

	if (!io)
		return 0;
	found = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, thread->tid);
	if (found < 0)
		return err_set(err, -errno, "task %d: read I/O priority", thread->vtid);
	if ((uint64_t)found != io->effective)
		return differs(thread, "its I/O priority", found, (int64_t)io->effective, err);
	return 0;
}

/* The kernel leaves out CPUs that went away since, and never adds one. */
static int check_cpus(const struct restore *rs, const struct restore_thread *thread,
		      struct err *err)
{
	auto_free uint64_t *cpus = NULL;
	const struct decision *word;

	if (!plan_answer(rs->plan, CLASS_AFFINITY, thread->record->id, 0))
		return 0;
	cpus = mem_alloc(CPU_WORDS, sizeof(*cpus));
	if (syscall(SYS_sched_getaffinity, thread->tid, CPU_WORDS * sizeof(*cpus), cpus) < 0)
		return err_set(err, -errno, "task %d: read affinity", thread->vtid);
	for (uint32_t i = 0; i < CPU_WORDS; i++) {
		word = plan_answer(rs->plan, CLASS_AFFINITY, thread->record->id, i);
		if (cpus[i] & ~(word ? word->effective : 0))
			return err_set(err, ERR_FAILED, "task %d: its CPUs are not as planned",
				       thread->vtid);
	}
	return 0;
}

static int check_score(const struct restore *rs, const struct restore_task *task, struct err *err)
{
	const struct decision *score = plan_answer(rs->plan, CLASS_OOM_SCORE_ADJ, task->id, 0);
	auto_free char *path = mem_printf("/proc/%d/oom_score_adj", task->pid);
	auto_buf struct buf text = BUF_EMPTY;
	const char *at;
	int64_t found;
	int r;

	if (!score)
		return 0;
	r = procfs_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	at = text.data;
	if (!scan_signed(&at, -1000, 1000, &found) || found != (int64_t)score->effective)
		return err_set(err, ERR_FAILED, "task %d: oom_score_adj is not as planned",
			       task->vpid);
	return 0;
}

static bool read_login(const char *path, uint64_t *ret_uid)
{
	auto_buf struct buf text = BUF_EMPTY;
	struct err none = ERR_NONE;
	const char *at;

	if (procfs_read(AT_FDCWD, path, &text, &none) < 0)
		return false;
	at = text.data;
	return at && scan_number(&at, 10, UINT32_MAX, ret_uid);
}

/* Always the invoker's own; kernels without audit have none. */
static int check_login(const struct restore_thread *thread, struct err *err)
{
	auto_free char *path = mem_printf("/proc/%d/loginuid", thread->tid);
	uint64_t own, found;

	if (!read_login("/proc/self/loginuid", &own))
		return 0;
	if (!read_login(path, &found) || found != own)
		return err_set(err, ERR_FAILED, "task %d: its login uid is not the invoker's",
			       thread->vtid);
	return 0;
}

int restore_check_state(const struct restore *rs, const struct restore_task *task,
			const struct restore_thread *thread, struct err *err)
{
	int r = check_scheduling(rs, thread, err);

	if (r == 0)
		r = check_io(rs, thread, err);
	if (r == 0)
		r = check_cpus(rs, thread, err);
	if (r == 0)
		r = check_login(thread, err);
	if (r == 0 && thread == &task->threads[0])
		r = check_score(rs, task, err);
	return r;
}
