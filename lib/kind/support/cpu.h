/* What a processor and its kernel let programs use: instructions, which a program looks for once,
 * at its start, and parts of the extended state (xsave), which are in its registers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words of CPUID, by leaf, subleaf and register; the last are AT_HWCAP2. */
enum cpu_word {
	CPU_1_ECX,
	CPU_1_EDX,
	CPU_7_EBX,
	CPU_7_ECX,
	CPU_7_EDX,
	CPU_7_1_EAX,
	CPU_7_1_EDX,
	CPU_D_1_EAX,
	CPU_80000001_ECX,
	CPU_80000001_EDX,
	CPU_80000008_EBX,
	CPU_HWCAP2,
	CPU_WORDS,
};

enum { CPU_PARTS = 63 }; /* bit 63 of XCR0 is reserved */

/* Where a part is in the extended state, in the form of XSAVE; size 0: it is not enabled. The first
 * two, x87 and SSE, are always in the legacy area. */
struct cpu_part {
	uint32_t offset;
	uint32_t size;
};

struct cpu {
	uint32_t words[CPU_WORDS]; /* only bits that have a name, and may be used */
	struct cpu_part parts[CPU_PARTS];
};

/* This one. */
void cpu_look(struct cpu *ret_cpu);
/* "avx2"; for a bit that has no name, which another version knew, "feature N". `text` has room for
 * CPU_NAME bytes. */
enum { CPU_NAME = 24 };
const char *cpu_feature_name(enum cpu_word word, unsigned int bit, char *text);
const char *cpu_part_name(unsigned int part, char *text);

/* Which parts an extended state has in use: bits of XSTATE_BV, without x87 and SSE. */
uint64_t cpu_parts_in(const void *xstate);
/* The same state in the form of another processor: parts in use are copied, all else in
 * `ret_state`, a valid state of it, is set to what it is at first. False if there is no room for
 * one. */
bool cpu_convert(const struct cpu *from, const void *state, size_t size, const struct cpu *to,
		 void *ret_state, size_t ret_size);
