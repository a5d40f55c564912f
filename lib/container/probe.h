/* A probe: one thing that a host may lack. It runs in a process of its own, which is killed after 3
 * seconds, with everything that it started: whatever it alters must vanish with it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/err.h"

struct probe_result {
	char detail[160]; /* what is worth telling although it works, or empty */
	struct err err;
};

struct probe {
	const char *name;
	bool is_required;
	/* 0 if it works; else the reason in result->err, with a hint as remedy. */
	int (*run)(struct probe_result *result);
	const char *remedy; /* where the run gave no hint; may be NULL */
};

/* Tables that end with a NULL name. */
extern const struct probe probes_namespaces[];
extern const struct probe probes_process[];
extern const struct probe probes_memory[];
extern const struct probe probes_files[];
extern const struct probe probes_kinds[];

/* For probes: their process gets a user namespace in which it is root, and those of `flags`. */
int probe_enter(int flags, struct err *err);
/* A child that ends with the probe; in it, the result is 0 and it must not return. Otherwise its
 * pid. */
pid_t probe_fork(struct err *err);
/* A child that only waits, in a user namespace of its own, as a container's task is. */
int probe_victim(pid_t *ret_pid, struct err *err);
/* The victim, seized and stopped by ptrace. */
int probe_seize(pid_t *ret_pid, struct err *err);
