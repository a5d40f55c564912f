/* What kinds of tasks and threads refuse to save: what a container of a test cannot have, because
 * this processor lacks it, a limit is too far, or only an administrator may ask for it. Where a
 * task has to answer, it is a child of ours, whose answers are altered before anybody reads them.
 */
#include <errno.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "core/confine.h"
#include "dump_prey.h"
#include "kind/support/mqueue.h"
#include "kind/support/sysv.h"

/* asm/prctl.h; libc may not know them */
#define SHADOW_STACK_STATUS 0x5005
#define UNTAG_MASK	    0x4001

static void nothing_special(struct unit *unit)
{
	static const char *const kinds_asked[] = { "thread", "prctl", "confine" };
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	for (size_t i = 0; i < sizeof(kinds_asked) / sizeof(kinds_asked[0]); i++)
		EXPECT_TEXT(unit, made_dump(&prey.made, kinds_asked[i]), "");
	EXPECT(unit, prey.made.own.record_count == 3);
}

static void shadow_stack(struct unit *unit)
{
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	write_answer(unit, &prey, SYS_arch_prctl, SHADOW_STACK_STATUS, 1);
	EXPECT_TEXT(unit, made_dump(&prey.made, "thread"), "a shadow stack is not supported");
}

static void registered_ring(struct unit *unit)
{
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	answer(unit, &prey, SYS_io_uring_register, 5, 0);
	EXPECT_TEXT(unit, made_dump(&prey.made, "thread"),
		    "a ring of io_uring that it has registered is not supported");
}

/* Who may not ask for a ring has none; the other answers are no rings. */
static void forbidden_rings(struct unit *unit)
{
	static const char profile[] =
	    "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"action\": "
	    "\"SCMP_ACT_KILL\", \"name\": \"io_uring_register\"}]}";
	struct filter filter = FILTER_NONE;
	auto_prey struct prey prey;
	struct err err = ERR_NONE;
	struct call call;
	uint64_t address;

	EXPECT(unit, confine_compile(profile, strlen(profile), &filter, &err) == 0);
	if (EXPECT(unit, catch_under(&prey, -1, &filter))) {
		EXPECT(unit,
		       find_call(&prey, 0, SYS_io_uring_register, 5, &call, &address) == SIZE_MAX);
		EXPECT_TEXT(unit, made_dump(&prey.made, "thread"), "");
	}
	filter_free(&filter);
}

static void tagged_addresses(struct unit *unit)
{
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	write_answer(unit, &prey, SYS_arch_prctl, UNTAG_MASK, ~(63ull << 57));
	EXPECT_TEXT(unit, made_dump(&prey.made, "prctl"),
		    "tagged addresses (LAM) are not supported");
}

static void io_flusher(struct unit *unit)
{
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	answer(unit, &prey, SYS_prctl, PR_GET_IO_FLUSHER, 1);
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"), "PR_SET_IO_FLUSHER is not supported");
}

/* ---- Landlock ---- */

/* Its witness may be looked at, but by those whom Landlock, or their label, keeps from it. */
static void restricted(struct unit *unit)
{
	char top[] = "/tmp/unit-label-XXXXXX";
	auto_free char *label = NULL;
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)) || !EXPECT(unit, mkdtemp(top)))
		return;
	answer(unit, &prey, SYS_get_robust_list, (uint64_t)getpid(), -EPERM);
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"),
		    "thread 1 is restricted by Landlock, and no kernel tells how");
	label = prey_label(&prey, top, "another label\n");
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"), "");
	prey_label_end(&prey, top, label);
	prey.made.thread.witness = 0;
	EXPECT_TEXT(unit, made_dump(&prey.made, "confine"), "");
}

/* ---- timers ---- */

static void timers(struct unit *unit)
{
	static const struct {
		int clock;
		const char *refusal;
	} cases[] = {
		{ CLOCK_MONOTONIC, "" },
		{ ~0 * 8 | 2, "" },
		{ ~0 * 8 | 3, "timer 0 runs by clock -5, which has no owner here" },
		{ ~0 * 8 | 4 | 2, "" },
		{ ~70000000 * 8 | 4 | 2,
		  "timer 0 runs by clock -560000002, which has no owner here" },
	};
	char top[] = "/tmp/unit-timers-XXXXXX";
	auto_prey struct prey prey;
	auto_close int directory = -1;
	int proc;

	if (!EXPECT(unit, catch (&prey, -1)) || !EXPECT(unit, mkdtemp(top)))
		return;
	directory = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc = prey.made.task.proc;
	prey.made.task.proc = directory;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd =
		    openat(directory, "timers", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		(void)dprintf(fd, "ID: 0\nsignal: 0/0\nnotify: none/pid.1\nClockID: %d\n",
			      cases[i].clock);
		(void)close(fd);
		EXPECT_TEXT(unit, made_dump(&prey.made, "posix_timers"), cases[i].refusal);
	}
	prey.made.task.proc = proc;
	(void)unlinkat(directory, "timers", 0);
	(void)rmdir(top);
}

static void too_many_timers(struct unit *unit)
{
	char top[] = "/tmp/unit-timers-XXXXXX";
	auto_made struct made made;
	auto_fclose FILE *file = NULL;
	auto_free char *path = NULL;

	made_begin(&made);
	if (!EXPECT(unit, mkdtemp(top)))
		return;
	path = mem_printf("%s/timers", top);
	file = fopen(path, "we");
	for (int i = 0; file && i <= 65536; i++)
		(void)fprintf(file, "ID: %d\nsignal: 0/0\nnotify: none/pid.1\nClockID: 1\n", i);
	EXPECT(unit, file && fflush(file) == 0);
	(void)close(made.task.proc);
	made.task.proc = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	made.d.fd = NULL;
	EXPECT_TEXT(unit, made_dump(&made, "posix_timers"), "more than 65536 timers");
	(void)unlink(path);
	(void)rmdir(top);
}

/* ---- signals ---- */

static void too_many_signals(struct unit *unit)
{
	auto_prey struct prey prey;

	if (!EXPECT(unit, catch (&prey, -1)))
		return;
	/* The invoker's limit may be lower. */
	for (int i = 0; i <= 16384; i++) {
		if (sigqueue(prey.made.task.pid, SIGRTMIN, (union sigval){ 0 }) < 0)
			return;
	}
	EXPECT_TEXT(unit, made_dump(&prey.made, "pending"), "more than 16384 pending signals");
}

static void notifications(struct unit *unit)
{
	static const char refusal[] = "notifications of a message queue of which it has no "
				      "descriptor are not supported";
	struct dump_slot slot = { .number = 5, .file = 3 };
	struct dump_queue queue = {
		.id = 7, .fd = -1, .notified = getpid(), .how = SIGEV_SIGNAL, .signal = 10
	};
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.own.queues = &queue;
	made.own.queue_count = 1;
	made.own.files = &made.fd;
	made.own.file_count = 1;
	EXPECT_TEXT(unit, made_dump(&made, "mq_notify"), refusal);
	made.task.slots = &slot;
	made.task.slot_count = 1;
	queue.signal = 65;
	EXPECT_TEXT(unit, made_dump(&made, "mq_notify"), refusal);
	queue.signal = 10;
	made.thread.status.sig_pending = 1u << 9;
	EXPECT_TEXT(unit, made_dump(&made, "mq_notify"),
		    "the signal that notifies of a message is pending");
}

/* ---- System V ---- */

static void undone(struct unit *unit)
{
	uint16_t value = 1;
	int semid = semget(IPC_PRIVATE, 1, 0600);
	struct dump_semaphores set = {
		.semid = semid, .id = 9, .count = 1, .is_used = true, .values = &value
	};
	struct dump_task tasks[2];
	auto_prey struct prey prey;

	if (!EXPECT(unit, semid >= 0))
		return;
	if (!EXPECT(unit, catch (&prey, semid)))
		goto out;
	prey.made.own.sets = &set;
	prey.made.own.set_count = 1;
	EXPECT_TEXT(unit, made_dump(&prey.made, "sysv_undo"), "");
	EXPECT(unit, prey.made.own.record_count == 1);
	/* Another that has the same list: by its pid, it is the same. */
	tasks[0] = tasks[1] = prey.made.task;
	tasks[0].vpid = 8;
	prey.made.own.tasks = tasks;
	prey.made.own.task_count = 2;
	prey.made.d.task = &tasks[1];
	EXPECT_TEXT(unit, made_dump(&prey.made, "sysv_undo"),
		    "shares what is to be undone of semaphores with task 8 (made)");
	tasks[0].thread_count = 0;
	EXPECT_TEXT(unit, made_dump(&prey.made, "sysv_undo"), "");
	set.semid = INT_MAX;
	EXPECT_TEXT(unit, made_dump(&prey.made, "sysv_undo"),
		    "find out what is to be undone of semaphores 2147483647: Invalid argument");
out:
	(void)semctl(semid, 0, IPC_RMID);
}

/* ---- what tasks share ---- */

static void strangers(struct unit *unit)
{
	struct dump_task tasks[2];
	auto_made struct made made;

	made_begin(&made);
	tasks[0] = tasks[1] = made.task;
	tasks[0].id = 6;
	tasks[0].parent = 5;
	for (int i = 0; i < SHARE_COUNT; i++)
		tasks[0].groups[i] = 6;
	tasks[1].parent = 4;
	tasks[1].groups[SHARE_FILES] = 6;
	made.own.tasks = tasks;
	made.own.task_count = 2;
	made.d.fd = NULL;
	made.d.task = &tasks[1];
	EXPECT_TEXT(unit, made_dump(&made, "sharing"),
		    "shares its descriptors with a task that is not its parent or sibling");
	tasks[1].parent = 5;
	EXPECT_TEXT(unit, made_dump(&made, "sharing"), "");
}

/* ---- programs of 32 bits ---- */

static void moved_vdso(struct unit *unit)
{
	static const char refusal[] = "a vdso that was moved in parts is not supported";
	struct procfs_vma vmas[] = {
		{ .start = 0x1000, .end = 0x2000, .name = (char *)"[vvar]" },
		{ .start = 0x2000, .end = 0x3000, .name = (char *)"[vvar_vclock]" },
		{ .start = 0x3000, .end = 0x4000, .name = (char *)"[vdso]" },
	};
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.thread.remote = (struct remote){ .tid = getpid(), .saved = { .cs = REMOTE_CODE_32 } };
	made.task.vmas = vmas;
	made.task.vma_count = 3;
	EXPECT_TEXT(unit, made_dump(&made, "compat"), "");
	vmas[0].start = 0x0800;
	vmas[0].end = 0x1800;
	EXPECT_TEXT(unit, made_dump(&made, "compat"), refusal);
	vmas[0].end = 0x2000;
	vmas[2].start = 0x3800;
	EXPECT_TEXT(unit, made_dump(&made, "compat"), refusal);
	vmas[2].start = 0x3000;
	/* Nobody. */
	made.thread.remote.tid = INT_MAX;
	EXPECT_TEXT(unit, made_dump(&made, "compat"), refusal);
}

/* ---- memory ---- */

static void large_aio_ring(struct unit *unit)
{
	struct procfs_vma vma = { .start = 1 << 20,
				  .end = (1 << 20) + 65538ull * 4096,
				  .prot = PROT_READ | PROT_WRITE,
				  .is_shared = true,
				  .name = (char *)"/[aio] (deleted)" };
	auto_made struct made made;

	made_begin(&made);
	made.d.fd = NULL;
	made.task.vmas = &vma;
	made.task.vma_count = 1;
	EXPECT_TEXT(unit, made_dump(&made, "aio"),
		    "the ring of AIO context 100000 was cut, protected or advised");
}

static const struct unit_case cases[] = {
	UNIT_CASE(nothing_special),  UNIT_CASE(shadow_stack),	  UNIT_CASE(registered_ring),
	UNIT_CASE(forbidden_rings),  UNIT_CASE(tagged_addresses), UNIT_CASE(io_flusher),
	UNIT_CASE(restricted),	     UNIT_CASE(timers),		  UNIT_CASE(too_many_timers),
	UNIT_CASE(too_many_signals), UNIT_CASE(notifications),	  UNIT_CASE(undone),
	UNIT_CASE(strangers),	     UNIT_CASE(moved_vdso),	  UNIT_CASE(large_aio_ring),
};

int main(void)
{
	return UNIT_RUN(cases);
}
