/* What /proc says of single processes; for lib/target. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct process {
	pid_t pid, tgid, ppid;
	char state;
	uint32_t flags; /* PF_* of the kernel */
	uint64_t start_time;
	size_t ns_depth; /* 1: in our own pid namespace */
	pid_t ns_pid;	 /* innermost */
	char label[64];	 /* the command name, fit to print */
};

/* A pid namespace. */
struct pid_ns {
	dev_t dev;
	ino_t ino;
};

/* `proc` is a directory of procfs_open_pid(). */
int process_read(int proc, struct process *ret_process, struct err *err);
int process_read_pid(pid_t pid, struct process *ret_process, struct err *err);
int process_pid_ns(pid_t pid, struct pid_ns *ret_ns, struct err *err);

enum pid_ns_place { PID_NS_INSIDE, PID_NS_OUTSIDE, PID_NS_HIDDEN, PID_NS_GONE };
/* Is the process in `ns`, or in one below it? Hidden: we may not know. `own` is our own. */
enum pid_ns_place process_place(pid_t pid, const struct pid_ns *ns, const struct pid_ns *own);
/* It is proven that this process is gone, or a zombie. Where nothing can be learned: false. */
bool process_has_ended(pid_t pid, uint64_t start_time);
/* All pids in /proc, rising. Owned. */
int process_list(pid_t **ret_pids, size_t *ret_count, struct err *err);
/* /proc must be of our own pid namespace, else its numbers mean other processes to us. */
int process_check_proc(struct err *err);

void pids_sort(pid_t *pids, size_t *count); /* and drops repeated ones */
bool pids_have(const pid_t *pids, size_t count, pid_t pid);
