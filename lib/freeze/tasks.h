/* The tasks (threads) that a freeze holds or is about to: a table by thread id, the walk that
 * fills it and seizes, and the wait for stops. For lib/freeze only. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "freeze/freeze.h"
#include "freeze/reaper.h"
#include "target/target.h"

enum task_state {
	TASK_GONE,    /* dead, or never was ours */
	TASK_RUNNING, /* seized, its stop is yet to come */
	TASK_STOPPED,
	TASK_DYING,  /* killed; ours to reap before anybody else can */
	TASK_ZOMBIE, /* a dead process, not waited for; other threads of it may live */
};

struct task {
	pid_t pid; /* 0: not known before a walk has seen it */
	pid_t tid;
	enum task_state state;
	int stop_signal;
	bool must_stop;
	uint32_t walk; /* the last that saw it */
};

struct tasks {
	struct task *list; /* owned; an entry never goes away or moves */
	size_t count;
	uint32_t *slots; /* owned; hashed by tid: number in the list + 1; 0: free */
	size_t slot_count;
	uint32_t walk;
	bool is_vfork_stuck;  /* why the wait failed */
	struct reaper reaper; /* runs while walks are made */
};

#define TASKS_NONE ((struct tasks){ .reaper = REAPER_NONE })

void tasks_free(struct tasks *tasks);
#define auto_tasks __attribute__((cleanup(tasks_free)))
/* NULL: unknown. Valid until the next tasks_add(). */
struct task *tasks_find(const struct tasks *tasks, pid_t tid);
/* Finds it or adds it as gone. */
struct task *tasks_add(struct tasks *tasks, pid_t tid);

/* Fills it with what a freeze holds. */
void tasks_take(struct tasks *tasks, const struct freeze *freeze);

/* Seizes and interrupts every thread of the target that is not held yet, and counts those, and one
 * more where it can't be sure that there is no other. With `is_frozen1`, the target is frozen by
 * v1, and stopped tasks are left for the next walk. */
int tasks_walk(struct tasks *tasks, const struct target *target, bool is_frozen1, uint64_t deadline,
	       size_t *ret_new, struct err *err);
/* The same for the children of all stopped tasks, as their parents know them. A task that forks
 * and dies all the time may slip through a walk, but not through this: when all that is known
 * stands still, what is left is a child of something known. */
int tasks_chase(struct tasks *tasks, const struct target *target, uint64_t deadline,
		size_t *ret_new, struct err *err);
/* What a held task is seized with: its new tasks are held, too. */
#define TASKS_OPTIONS (PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)
/* Lets stopped threads run a little that stand in the code of the vdso, and interrupts them again.
 * Counts those. */
size_t tasks_leave_vdso(struct tasks *tasks);
/* Waits until none is TASK_RUNNING. */
int tasks_settle(struct tasks *tasks, uint64_t deadline, struct err *err);
/* Takes the options of the walk off all stopped tasks. Any that does not stand still after all
 * becomes TASK_GONE, for another walk: where a thread executes a program, it takes over the
 * leader's tid. Counts those. */
size_t tasks_verify(struct tasks *tasks);
/* Lets stopped tasks run. With a deadline, also those that are still to stop. */
void tasks_detach(struct tasks *tasks, uint64_t deadline);
/* Waits until all that is TASK_DYING is reaped; -ETIMEDOUT without err. A child of our own is left
 * for whoever started it. */
int tasks_reap(struct tasks *tasks, uint64_t deadline);

/* Stops and deaths are told by SIGCHLD. Between these two it is blocked, so that none gets lost
 * between a look and a wait. All that waits is used between them. */
void tasks_listen(sigset_t *ret_old);
void tasks_unlisten(const sigset_t *old);
/* Waits for SIGCHLD, at most until the deadline or 10 ms. */
void tasks_wait_for_news(uint64_t deadline);

/* "1234 (make)", for messages; control characters are replaced. */
struct task_label {
	char text[64];
};
struct task_label task_label(pid_t tid);
/* The state letter of proc(5); NUL if it is gone. */
char task_state_letter(pid_t pid, pid_t tid);
/* The start of a file of a thread, in one read; false if it can't be read. */
bool task_read(pid_t pid, pid_t tid, const char *file, char *text, size_t size);
/* Adds a hint that names tasks in uninterruptible sleep. */
void tasks_hint_blocked(const struct target *target, struct err *err);
