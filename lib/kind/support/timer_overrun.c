/* See timer_overrun.h. */
#include "kind/support/timer_overrun.h"

#include <signal.h>
#include <sys/ptrace.h>

enum { BATCH = 16 };

static bool is_of(const siginfo_t *info, const struct timer_line *line)
{
	return info->si_signo == line->signal && info->si_code == SI_TIMER &&
	       (uint32_t)info->si_timerid == line->id;
}

static bool is_queued(const struct dump_thread *thread, unsigned int flags,
		      const struct timer_line *line)
{
	struct __ptrace_peeksiginfo_args args = { .flags = flags, .nr = BATCH };
	siginfo_t infos[BATCH];
	long n;

	while ((n = ptrace(PTRACE_PEEKSIGINFO, thread->tid, &args, infos)) > 0) {
		for (long i = 0; i < n; i++) {
			if (is_of(&infos[i], line))
				return true;
		}
		args.off += (uint64_t)n;
	}
	return false;
}

bool timer_signal_waits(const struct dump_task *task, const struct timer_line *line)
{
	uint64_t bit = line->signal > 0 ? UINT64_C(1) << (line->signal - 1) : 0;

	for (size_t i = 0; i < task->thread_count; i++) {
		const struct dump_thread *thread = &task->threads[i];

		if (thread->status.sig_pending & bit && is_queued(thread, 0, line))
			return true;
		if (i == 0 && thread->status.shared_pending & bit &&
		    is_queued(thread, PTRACE_PEEKSIGINFO_SHARED, line))
			return true;
	}
	return false;
}
