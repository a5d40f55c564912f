/* Runs tables of system calls inside a ptrace-stopped task.
 *
 * A remote is one thread that the caller traces (PTRACE_SEIZE) and that is stopped. Its zone is a
 * piece of its address space that belongs to us for the time being: a page of code (the stub) and
 * room for a table and data. A script is a list of system calls; script_run() copies it into the
 * zone, lets the thread run the stub, and brings results and output back. The stub stops at the
 * first call that fails (unless the step may fail), and the error names that step.
 *
 * Threads of one process share the zone: their scripts must not run at the same time. Scripts of
 * different processes may: script_start() for each, then script_wait() for each.
 *
 * Everything that comes back from a target is the target's word: it is checked like an image. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/filter.h"

struct remote_zone {
	uint64_t code;	   /* address of the stub in the target; 0: no zone */
	uint64_t data;	   /* address of the table and data area */
	uint64_t size;	   /* of the data area, bytes */
	uint64_t mapped;   /* bytes from `data` on, with what is behind the data area */
	uint64_t gadget;   /* address of a `syscall` instruction for single steps */
	bool is_gadget_32; /* it is `int $0x80` */
};

/* The kernel's segments of user mode: asm/segment.h. */
enum { REMOTE_CODE_32 = 0x23, REMOTE_DATA = 0x2b, REMOTE_CODE_64 = 0x33 };

struct remote {
	pid_t tid;		       /* as the tracer sees it */
	struct remote_zone zone;       /* shared by value between the threads of a process */
	struct user_regs_struct saved; /* as the thread was stopped */
	uint64_t saved_mask;	       /* its blocked signals */
	bool is_prepared;	       /* registers saved, signals blocked */
	bool owns_zone;		       /* remote_finish() unmaps it */
	bool outlives_us;	       /* a task that is not ours: it must go on if we die */
	uint64_t heal;		       /* for those: where their struct remote_heal is */
	int stop_signal;	       /* for those: by which it tells that a script has ended */
	bool is_awake;		       /* its signals are blocked, its registers are ours */
	bool owes_signal; /* such a signal came from elsewhere, and is to be sent again */
	bool owes_stop;	  /* likewise SIGSTOP */
	const struct filter *filters[2]; /* seccomp, borrowed; NULL: nothing would kill it */
};

/* Does it run a program of 32 bits? Its code is compatibility mode of the processor; ours is not.
 */
static inline bool remote_is_32(const struct remote *remote)
{
	return remote->saved.cs == REMOTE_CODE_32;
}

/* Would the filter let the stub itself work? */
int remote_check_filter(const struct remote *remote, struct err *err);
/* Or this call? One that it answers with an error counts as let through. `name` is for people. */
int remote_check_call(const struct remote *remote, const char *name, uint64_t nr,
		      const uint64_t args[6], struct err *err);
/* Does no filter answer it instead of the kernel? */
bool remote_call_is_allowed(const struct remote *remote, uint64_t nr, const uint64_t args[6]);
/* As remote_check_call(), a call of programs of 32 bits, by their numbers. */
int remote_check_call_32(const struct remote *remote, const char *name, uint64_t nr,
			 const uint64_t args[6], struct err *err);

/* Saves registers and signal mask of a stopped thread. One that outlives us has all its own until
 * its first script; from then on it stands where it would take all back: should we die, it goes on
 * as if nothing had been. `pending` are its pending signals (SigPnd, ShdPnd). Others have all
 * signals blocked from now on. If the thread was interrupted in the middle of an rseq critical
 * section, the saved registers are those of the abort handler, as the kernel would have set them.
 */
int remote_prepare(struct remote *remote, uint64_t pending, struct err *err);
/* Gives registers and mask back. Safe on a remote that was never prepared. */
int remote_finish(struct remote *remote, struct err *err);

/* One system call at zone.gadget, by syscall stops; needs no zone. The result in *ret_result may be
 * a negative errno of the target; the return value is about ptrace. About 6 us. */
int remote_syscall(struct remote *remote, int64_t *ret_result, struct err *err, long nr,
		   const uint64_t args[6]);
/* Finds a syscall instruction, maps a zone with a data area of `size` bytes and `extra` behind it,
 * writes the stub. */
int remote_zone_map(struct remote *remote, size_t size, size_t extra, struct err *err);
int remote_zone_unmap(struct remote *remote, struct err *err);
/* The stub's bytes, position independent. */
const void *remote_stub(size_t *ret_size);
/* Where in it the code of an init of ours begins: rbx is the pid of its main child, r13 the address
 * of 4 bytes, r14 zero. */
size_t remote_init_offset(void);
/* Where the code of 32 bits begins that ends in a program's own. */
size_t remote_return_32_offset(void);
/* Where a thread that outlives us stands when it has told of the end of a script. */
size_t remote_stop_offset(void);
/* What a thread that outlives us needs in order to go on alone: once, in its own place in the zone.
 */
struct remote_heal {
	uint64_t signal, mask;
	uint64_t rip, flags, rsp, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13,
	    r14, r15;
};
/* Likewise for a program of 32 bits. */
struct remote_heal_32 {
	uint64_t signal, mask;
	uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax; /* as popa takes them */
	uint32_t flags, eip;
	uint64_t stack;			   /* where all these go, just below its own */
	uint64_t rip, cs, rflags, rsp, ss; /* as iret takes them */
};
enum { REMOTE_HEAL_SIZE = 192 };
static_assert(sizeof(struct remote_heal) <= REMOTE_HEAL_SIZE, "room in the zone");
static_assert(offsetof(struct remote_heal_32, stack) == 56, "as the stub has it");
/* Writes it for thread `number` of a process; its zone was mapped with room for all of them. */
int remote_write_heal(struct remote *remote, size_t number, struct err *err);
/* Around everything that lets a thread run: signals blocked, and given back with the registers. */
int remote_block(struct remote *remote, uint64_t open, struct err *err);
int remote_give_back(struct remote *remote, struct err *err);
/* Likewise the code that uses AMX once. */
size_t remote_tile_offset(void);
/* The kernel has no room for the thread's AMX tiles until it uses one: makes it do so. Needs a zone
 * and the process's permission to use AMX. */
int remote_use_tile(struct remote *remote, struct err *err);

int remote_read(const struct remote *remote, uint64_t address, void *data, size_t size,
		struct err *err);
int remote_write(const struct remote *remote, uint64_t address, const void *data, size_t size,
		 struct err *err);

/* Writes to memory that the target itself may only execute; `size` is rounded up to 8. */
int remote_poke(const struct remote *remote, uint64_t address, const void *data, size_t size,
		struct err *err);

/* ---- scripts ---- */

#define SCRIPT_MAY_FAIL 1u /* a negative result does not stop the script */
#define SCRIPT_32	2u /* a call of programs of 32 bits: their number, arguments, structs */

struct script_step; /* script.c */

struct script {
	struct remote *remote;
	struct script_step *steps; /* owned */
	size_t count;
	struct buf data; /* for the zone's data area */
	void *table;	 /* owned; as it was sent */
	int state;
	size_t failed;	  /* the step, if one failed; else SIZE_MAX */
	bool has_results; /* table and data were read back */
};

/* A script for one remote with a zone; free with script_free(). */
void script_init(struct script *script, struct remote *remote);
void script_free(struct script *script);
#define auto_script __attribute__((cleanup(script_free)))
#define SCRIPT_NONE ((struct script){ .remote = NULL })

/* Queues a system call. `name` must outlive the script (a literal, usually): "set RLIMIT_NOFILE".
 * Returns the step's number. */
size_t script_add(struct script *script, const char *name, unsigned int flags, long nr,
		  const uint64_t args[6]);
#define script_syscall(script, name, flags, nr, ...)                                               \
	script_add((script), (name), (flags), (nr), (const uint64_t[6]){ __VA_ARGS__ })

/* Room in the target's data area, valid until the script has run: returns its address there.
 * script_copy() fills it; script_out() is for results. Aligned to 64 bytes. */
uint64_t script_copy(struct script *script, const void *data, size_t size);
uint64_t script_out(struct script *script, size_t size);
/* Like script_copy, but the caller fills the local side afterwards (valid until the next
 * script_copy or script_out): for structs that hold addresses of other pieces. */
void *script_local(struct script *script, uint64_t address);

/* Runs the queue now when it would not have room for so many more steps and bytes. For lists
 * without a bound; whatever was queued and copied before is then done and gone. */
int script_room(struct script *script, size_t steps, size_t bytes, struct err *err);

/* Runs the queue, and empties it with the next script_add. On success the results can be read. */
int script_run(struct script *script, struct err *err);
int script_start(struct script *script, struct err *err);
int script_wait(struct script *script, struct err *err);
/* For a script with one call that makes a task, under PTRACE_O_TRACEFORK and TRACECLONE: waits
 * until the new task stands still too. *ret_child is its id, as the tracer sees it. */
int script_wait_clone(struct script *script, pid_t *ret_child, struct err *err);
/* For a script that ends in the death of its task: waits for it. *ret_status as of wait(2). */
int script_wait_death(struct script *script, int *ret_status, struct err *err);
/* The argument of a step as it was queued. */
uint64_t script_argument(const struct script *script, size_t step, int argument);
/* After a run: the result of a step, negative errno if it failed and was allowed to. */
int64_t script_result(struct script *script, size_t step);
/* After a run: what the target wrote at an address of script_out or script_copy. Read back at the
 * first use; NULL with err set if the target's memory cannot be read. */
const void *script_output(struct script *script, uint64_t address, size_t size, struct err *err);

/* Takes a descriptor of the target: a duplicate in this process, close-on-exec. */
int remote_take_fd(const struct remote *remote, int pidfd, int number, int *ret_fd,
		   struct err *err);
/* Puts a duplicate of `fd` into the target, close-on-exec; *ret_number is its number there. */
int remote_push_fd(struct remote *remote, int pidfd, int fd, int *ret_number, struct err *err);
