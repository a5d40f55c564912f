/* One small lattice a class of policy questions: which of two values is less privilege, and the
 * greatest value that is no more than either. Signed numbers travel as their two's complement. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "policy/plan.h"

#define ID_NONE UINT32_MAX /* no uid or gid: the kernel's "leave it alone" */

struct lattice {
	bool (*leq)(uint64_t a, uint64_t b); /* a is no more privilege than b */
	uint64_t (*meet)(uint64_t a, uint64_t b);
	/* Appends words for a value; `detail` as in the question. */
	void (*explain)(uint64_t value, uint32_t detail, struct buf *out);
	uint64_t bottom; /* leq everything */
	/* Everything is leq top. Ids and outcomes without a number have no top: theirs is ID_NONE,
	 * and they are never met with it. */
	uint64_t top;
};

/* NULL for a class that does not exist. */
const struct lattice *lattice_of(enum policy_class class);
/* Can one value of this class be less than another? Else only outcomes can: this much of the saved
 * thing is lost by one. */
bool lattice_has_values(enum policy_class class);
int outcome_loss(enum outcome outcome);

/* The words of the lattices. */
void explain_number(uint64_t value, uint32_t detail, struct buf *out);
void explain_signed(uint64_t value, uint32_t detail, struct buf *out);
void explain_limit(uint64_t value, uint32_t detail, struct buf *out);
void explain_id(uint64_t value, uint32_t detail, struct buf *out);
void explain_caps(uint64_t value, uint32_t detail, struct buf *out);
void explain_securebits(uint64_t value, uint32_t detail, struct buf *out);
void explain_sched(uint64_t value, uint32_t detail, struct buf *out);
void explain_ioprio(uint64_t value, uint32_t detail, struct buf *out);
void explain_cpus(uint64_t value, uint32_t detail, struct buf *out);
void explain_switch(uint64_t value, uint32_t detail, struct buf *out);
void explain_seccomp(uint64_t value, uint32_t detail, struct buf *out);
void explain_nothing(uint64_t value, uint32_t detail, struct buf *out);

/* "net_raw"; NULL, or -1: there is none. */
const char *cap_name(int cap);
int cap_by_name(const char *name);

/* How the trial open of CLASS_FILE went. */
void explain_open(uint64_t error, struct buf *out);
/* What a decision is about, when its kind did not say: "rlimit.nofile.hard". */
void explain_subject(enum policy_class class, uint32_t detail, struct buf *out);
