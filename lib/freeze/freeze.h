/* Freezing: all tasks of a target stopped under ptrace, no user instruction run since the freeze
 * began, but for those that let a thread out of the vdso; and the guard that lets them run again on
 * every path.
 *
 * With a cgroup: freeze; list; PTRACE_SEIZE and INTERRUPT all; thaw, so that the stops are taken;
 * to resume: refreeze, detach all, thaw - all tasks go on at once. Without one: walk and seize
 * until no new task appears.
 *
 * All ptrace calls belong to the thread that froze. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "target/target.h"

struct frozen_thread {
	pid_t pid;
	pid_t tid;
	int stop_signal; /* it was in a group stop by this signal; else 0 */
	bool is_zombie;	 /* a dead process not waited for: cannot be seized, does not run */
	bool must_stop;	 /* a leader: a restored group stop, which is to come when it is let go */
};

struct freeze {
	const struct target *target;   /* borrowed; NULL: nothing is frozen */
	struct frozen_thread *threads; /* owned; by process, the leader first */
	size_t thread_count;
	bool was_frozen;	/* the cgroup was frozen before: it stays so when we let go */
	bool is_seized;		/* under ptrace */
	uint64_t freezing_time; /* microseconds from the first write to the last stop */
};

#define FREEZE_NONE ((struct freeze){ .target = NULL })

/* The cgroup freezer alone. freezer_freeze returns when every task is frozen. */
int freezer_freeze(const struct target *target, struct err *err);
int freezer_thaw(const struct target *target, struct err *err);
/* Is it frozen, by us or anybody? */
int freezer_is_frozen(const struct target *target, bool *ret_is_frozen, struct err *err);

/* Stops every task of the target under ptrace, with PTRACE_O_EXITKILL off: should this process
 * die, they run on. Waits a bounded time for a task that will not stop (a vfork parent, a task in
 * uninterruptible sleep), then undoes all and names it. */
int freeze_seize(const struct target *target, struct freeze *ret_freeze, struct err *err);
/* Seizes what has come to the target since, by setns(2); what is held stays held on failure. */
int freeze_rescan(struct freeze *freeze, struct err *err);
/* Lets go: atomically where there is a cgroup. Stopped tasks stay stopped. A cgroup that was
 * frozen before stays frozen, unless `thaw`. */
int freeze_release(struct freeze *freeze, bool thaw, struct err *err);
/* Kills every task (SIGKILL) and waits until all are gone. */
int freeze_kill(struct freeze *freeze, struct err *err);
/* The guard: releases whatever is still held. */
void freeze_free(struct freeze *freeze);
#define auto_freeze __attribute__((cleanup(freeze_free)))
