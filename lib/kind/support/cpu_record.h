/* The record of a processor, for those who restore registers. */
#pragma once

#include "image/image.h"
#include "image/record.h"
#include "kind/support/cpu.h"

#define TAG_CPU TAG('C', 'P', 'U', 'F')

RECORDS_BEGIN
struct cpu_rec {
	le32 words[12]; /* of CPUID, see below */
	le32 part_count;
	le32 reserved; /* zero */
};

struct cpu_part_rec {
	le32 number;   /* bit of XCR0 */
	le32 offset;   /* in the extended state */
	le32 size;     /* bytes */
	le32 reserved; /* zero */
};
RECORDS_END
static_assert(sizeof(struct cpu_rec) == 56, "image format");
static_assert(sizeof(struct cpu_part_rec) == 16, "image format");
static_assert(CPU_WORDS == 12, "image format");

/* `record` has been checked. */
static inline void cpu_of_record(const struct record *record, struct cpu *ret_cpu)
{
	const struct cpu_rec *rec = record->body;
	const struct cpu_part_rec *parts = (const void *)(rec + 1);

	*ret_cpu = (struct cpu){ .words = { 0 } };
	for (size_t i = 0; i < CPU_WORDS; i++)
		ret_cpu->words[i] = le32_get(rec->words[i]);
	for (uint32_t i = 0; i < le32_get(rec->part_count); i++)
		ret_cpu->parts[le32_get(parts[i].number)] =
		    (struct cpu_part){ le32_get(parts[i].offset), le32_get(parts[i].size) };
}
