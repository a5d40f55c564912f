/* The records of tasks and threads, for those who walk the tree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "image/image.h"
#include "image/record.h"

#define TAG_TASK      TAG('T', 'A', 'S', 'K')
#define TAG_REGISTERS TAG('R', 'E', 'G', 'S')
#define TAG_FDTABLE   TAG('F', 'D', 'T', 'B')
#define TAG_CONTAINER TAG('C', 'T', 'N', 'R')
#define TASK_PID_MAX  (1u << 22) /* PID_MAX_LIMIT on 64-bit, linux/threads.h */

enum task_flag {
	TASK_ZOMBIE = 1u << 0,
	TASK_STOPPED = 1u << 1, /* in a group stop by stop_signal */
	TASK_CWD_REMOVED = 1u << 2,
};

RECORDS_BEGIN
struct task_rec {
	le32 pid;	  /* in the container */
	le32 parent;	  /* task id; 0: a root of the tree */
	le32 pgid;	  /* in the container; 0: of a group whose leader is outside */
	le32 sid;	  /* likewise */
	le32 mm;	  /* id of the address space; 0 for a zombie */
	le32 flags;	  /* enum task_flag */
	le32 exit_code;	  /* of a zombie, as of wait(2) */
	le32 exit_signal; /* sent to the parent at its end; 0: none */
	le32 stop_signal;
	le32 umask;
	le32 personality;
	le32 cwd_length; /* of the path that follows the comm */
	unsigned char comm[16];
};

struct registers_rec {
	le32 task;
	le32 tid;    /* in the container */
	le32 number; /* 0: the leader */
	le32 xstate_size;
	le64 blocked;  /* signal mask */
	le64 regs[27]; /* struct user_regs_struct, sys/user.h */
};
RECORDS_END
static_assert(sizeof(struct task_rec) == 64, "image format");
static_assert(sizeof(struct registers_rec) == 240, "image format");

#define XSTATE_MIN 576u /* legacy area and header */
#define XSTATE_MAX 65536u

static inline const void *registers_xstate(const struct registers_rec *rec)
{
	return rec + 1;
}

/* The descriptor table of a task: struct fdslot_rec in rising order of numbers. */
RECORDS_BEGIN
struct fdslot_rec {
	le32 number;
	le32 flags; /* 1: close-on-exec */
	le32 file;  /* the id of an open file description */
	le32 reserved;
};
RECORDS_END
static_assert(sizeof(struct fdslot_rec) == 16, "image format");

enum container_flag {
	CONTAINER_TREE = 1u << 0,    /* was no container: needs an init */
	CONTAINER_ROOTFS = 1u << 1,  /* has a root directory of its own */
	CONTAINER_NETLESS = 1u << 2, /* was in the network of the one who saved it */
};

RECORDS_BEGIN
struct container_rec {
	le32 flags;
	le32 name_length; /* of the name that follows */
	le32 reserved[2];
};
RECORDS_END
static_assert(sizeof(struct container_rec) == 16, "image format");

#define TAG_TIME TAG('T', 'I', 'M', 'E')

/* The container's clocks at the checkpoint: after a restore they go on from here. */
RECORDS_BEGIN
struct time_rec {
	le64 monotonic_ns;
	le64 boottime_ns;
};
RECORDS_END
static_assert(sizeof(struct time_rec) == 16, "image format");

/* What is done on a signal, as the kernel has it, not the C library. */
struct signal_action {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* The same for programs of 32 bits. */
struct signal_action_32 {
	uint32_t handler;
	uint32_t flags;
	uint32_t restorer;
	uint32_t mask[2];
};

static inline struct signal_action_32 signal_action_32(const struct signal_action *action)
{
	return (
	    struct signal_action_32){ (uint32_t)action->handler,
				      (uint32_t)action->flags,
				      (uint32_t)action->restorer,
				      { (uint32_t)action->mask, (uint32_t)(action->mask >> 32) } };
}

/* Does this process ignore SIGTRAP? Our own stops take that from it (remote/README.md). `signals`
 * is the record of its signal actions, or NULL. */
bool signals_ignore_trap(const struct record *signals, struct signal_action *ret_action);
