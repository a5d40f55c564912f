/* Features of processors, by CPUID. See cpu.h. */
#include "kind/support/cpu.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

/* XCR0, Intel SDM volume 1, 13.3. */
#define AVX    UINT64_C(0x6) /* SSE, upper halves of YMM */
#define AVX512 UINT64_C(0xe6)
#define MPX    UINT64_C(0x18)
#define PKU    UINT64_C(0x200)
#define AMX    UINT64_C(0x60000)
#define APX    UINT64_C(0x80000)
#define LEGACY UINT64_C(3)

struct feature {
	uint8_t word;
	uint8_t bit;
	uint64_t needs; /* of XCR0: the kernel must have enabled it, too */
	const char *name;
};

/* What programs that are no kernels can tell, and use. */
static const struct feature features[] = {
	{ CPU_1_ECX, 0, 0, "sse3" },
	{ CPU_1_ECX, 1, 0, "pclmulqdq" },
	{ CPU_1_ECX, 9, 0, "ssse3" },
	{ CPU_1_ECX, 12, AVX, "fma" },
	{ CPU_1_ECX, 13, 0, "cx16" },
	{ CPU_1_ECX, 19, 0, "sse4_1" },
	{ CPU_1_ECX, 20, 0, "sse4_2" },
	{ CPU_1_ECX, 22, 0, "movbe" },
	{ CPU_1_ECX, 23, 0, "popcnt" },
	{ CPU_1_ECX, 25, 0, "aes" },
	{ CPU_1_ECX, 27, 0, "osxsave" },
	{ CPU_1_ECX, 28, AVX, "avx" },
	{ CPU_1_ECX, 29, AVX, "f16c" },
	{ CPU_1_ECX, 30, 0, "rdrand" },
	{ CPU_1_EDX, 0, 0, "fpu" },
	{ CPU_1_EDX, 4, 0, "tsc" },
	{ CPU_1_EDX, 8, 0, "cx8" },
	{ CPU_1_EDX, 15, 0, "cmov" },
	{ CPU_1_EDX, 19, 0, "clflush" },
	{ CPU_1_EDX, 23, 0, "mmx" },
	{ CPU_1_EDX, 24, 0, "fxsr" },
	{ CPU_1_EDX, 25, 0, "sse" },
	{ CPU_1_EDX, 26, 0, "sse2" },
	{ CPU_7_EBX, 3, 0, "bmi1" },
	{ CPU_7_EBX, 4, 0, "hle" },
	{ CPU_7_EBX, 5, AVX, "avx2" },
	{ CPU_7_EBX, 8, 0, "bmi2" },
	{ CPU_7_EBX, 9, 0, "erms" },
	{ CPU_7_EBX, 11, 0, "rtm" },
	{ CPU_7_EBX, 14, MPX, "mpx" },
	{ CPU_7_EBX, 16, AVX512, "avx512f" },
	{ CPU_7_EBX, 17, AVX512, "avx512dq" },
	{ CPU_7_EBX, 18, 0, "rdseed" },
	{ CPU_7_EBX, 19, 0, "adx" },
	{ CPU_7_EBX, 21, AVX512, "avx512ifma" },
	{ CPU_7_EBX, 23, 0, "clflushopt" },
	{ CPU_7_EBX, 24, 0, "clwb" },
	{ CPU_7_EBX, 26, AVX512, "avx512pf" },
	{ CPU_7_EBX, 27, AVX512, "avx512er" },
	{ CPU_7_EBX, 28, AVX512, "avx512cd" },
	{ CPU_7_EBX, 29, 0, "sha_ni" },
	{ CPU_7_EBX, 30, AVX512, "avx512bw" },
	{ CPU_7_EBX, 31, AVX512, "avx512vl" },
	{ CPU_7_ECX, 0, 0, "prefetchwt1" },
	{ CPU_7_ECX, 1, AVX512, "avx512vbmi" },
	{ CPU_7_ECX, 4, PKU, "ospke" },
	{ CPU_7_ECX, 5, 0, "waitpkg" },
	{ CPU_7_ECX, 6, AVX512, "avx512_vbmi2" },
	{ CPU_7_ECX, 8, 0, "gfni" },
	{ CPU_7_ECX, 9, AVX, "vaes" },
	{ CPU_7_ECX, 10, AVX, "vpclmulqdq" },
	{ CPU_7_ECX, 11, AVX512, "avx512_vnni" },
	{ CPU_7_ECX, 12, AVX512, "avx512_bitalg" },
	{ CPU_7_ECX, 14, AVX512, "avx512_vpopcntdq" },
	{ CPU_7_ECX, 22, 0, "rdpid" },
	{ CPU_7_ECX, 25, 0, "cldemote" },
	{ CPU_7_ECX, 27, 0, "movdiri" },
	{ CPU_7_ECX, 28, 0, "movdir64b" },
	{ CPU_7_EDX, 2, AVX512, "avx512_4vnniw" },
	{ CPU_7_EDX, 3, AVX512, "avx512_4fmaps" },
	{ CPU_7_EDX, 4, 0, "fsrm" },
	{ CPU_7_EDX, 8, AVX512, "avx512_vp2intersect" },
	{ CPU_7_EDX, 14, 0, "serialize" },
	{ CPU_7_EDX, 16, 0, "tsxldtrk" },
	{ CPU_7_EDX, 22, AMX, "amx_bf16" },
	{ CPU_7_EDX, 23, AVX512, "avx512_fp16" },
	{ CPU_7_EDX, 24, AMX, "amx_tile" },
	{ CPU_7_EDX, 25, AMX, "amx_int8" },
	{ CPU_7_1_EAX, 0, AVX, "sha512" },
	{ CPU_7_1_EAX, 1, AVX, "sm3" },
	{ CPU_7_1_EAX, 2, AVX, "sm4" },
	{ CPU_7_1_EAX, 4, AVX, "avx_vnni" },
	{ CPU_7_1_EAX, 5, AVX512, "avx512_bf16" },
	{ CPU_7_1_EAX, 7, 0, "cmpccxadd" },
	{ CPU_7_1_EAX, 10, 0, "fzrm" },
	{ CPU_7_1_EAX, 11, 0, "fsrs" },
	{ CPU_7_1_EAX, 12, 0, "fsrc" },
	{ CPU_7_1_EAX, 21, AMX, "amx_fp16" },
	{ CPU_7_1_EAX, 23, AVX, "avx_ifma" },
	{ CPU_7_1_EDX, 4, AVX, "avx_vnni_int8" },
	{ CPU_7_1_EDX, 5, AVX, "avx_ne_convert" },
	{ CPU_7_1_EDX, 8, AMX, "amx_complex" },
	{ CPU_7_1_EDX, 10, AVX, "avx_vnni_int16" },
	{ CPU_7_1_EDX, 14, 0, "prefetchi" },
	{ CPU_7_1_EDX, 21, APX, "apx" },
	{ CPU_D_1_EAX, 0, 0, "xsaveopt" },
	{ CPU_D_1_EAX, 1, 0, "xsavec" },
	{ CPU_D_1_EAX, 2, 0, "xgetbv1" },
	{ CPU_80000001_ECX, 0, 0, "lahf_lm" },
	{ CPU_80000001_ECX, 5, 0, "abm" },
	{ CPU_80000001_ECX, 6, 0, "sse4a" },
	{ CPU_80000001_ECX, 7, 0, "misalignsse" },
	{ CPU_80000001_ECX, 8, 0, "3dnowprefetch" },
	{ CPU_80000001_ECX, 11, AVX, "xop" },
	{ CPU_80000001_ECX, 16, AVX, "fma4" },
	{ CPU_80000001_ECX, 21, 0, "tbm" },
	{ CPU_80000001_ECX, 29, 0, "mwaitx" },
	{ CPU_80000001_EDX, 22, 0, "mmxext" },
	{ CPU_80000001_EDX, 27, 0, "rdtscp" },
	{ CPU_80000001_EDX, 30, 0, "3dnowext" },
	{ CPU_80000001_EDX, 31, 0, "3dnow" },
	{ CPU_80000008_EBX, 0, 0, "clzero" },
	{ CPU_80000008_EBX, 4, 0, "rdpru" },
	{ CPU_HWCAP2, 0, 0, "ring3mwait" },
	{ CPU_HWCAP2, 1, 0, "fsgsbase" },
};
enum { FEATURES = sizeof(features) / sizeof(features[0]) };

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static struct cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid out = { 0 };

	(void)__get_cpuid_count(leaf, subleaf, &out.eax, &out.ebx, &out.ecx, &out.edx);
	return out;
}

static uint64_t enabled_parts(const struct cpuid *first)
{
	uint32_t low;
	uint32_t high;

	if (!(first->ecx & bit_OSXSAVE))
		return LEGACY;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return ((uint64_t)high << 32 | low) & INT64_MAX;
}

static void look_at_parts(uint64_t enabled, struct cpu_part *parts)
{
	parts[0] = (struct cpu_part){ 0, 160 };
	parts[1] = (struct cpu_part){ 160, 256 };
	for (uint32_t i = 2; i < CPU_PARTS; i++) {
		struct cpuid part;

		if (!(enabled >> i & 1))
			continue;
		part = ask(0xd, i);
		parts[i] = (struct cpu_part){ part.ebx, part.eax };
	}
}

void cpu_look(struct cpu *ret_cpu)
{
	const struct cpuid first = ask(1, 0);
	const struct cpuid seven = ask(7, 0);
	const struct cpuid more = seven.eax >= 1 ? ask(7, 1) : (struct cpuid){ 0 };
	const struct cpuid extended = ask(0x80000001, 0);
	const uint32_t words[CPU_WORDS] = {
		[CPU_1_ECX] = first.ecx,
		[CPU_1_EDX] = first.edx,
		[CPU_7_EBX] = seven.ebx,
		[CPU_7_ECX] = seven.ecx,
		[CPU_7_EDX] = seven.edx,
		[CPU_7_1_EAX] = more.eax,
		[CPU_7_1_EDX] = more.edx,
		[CPU_D_1_EAX] = ask(0xd, 1).eax,
		[CPU_80000001_ECX] = extended.ecx,
		[CPU_80000001_EDX] = extended.edx,
		[CPU_80000008_EBX] = ask(0x80000008, 0).ebx,
		[CPU_HWCAP2] = (uint32_t)getauxval(AT_HWCAP2),
	};
	uint64_t enabled = enabled_parts(&first);

	*ret_cpu = (struct cpu){ .words = { 0 } };
	for (size_t i = 0; i < FEATURES; i++) {
		const struct feature *feature = &features[i];

		if ((enabled & feature->needs) == feature->needs)
			ret_cpu->words[feature->word] |= words[feature->word] & UINT32_C(1)
										    << feature->bit;
	}
	look_at_parts(enabled, ret_cpu->parts);
}

const char *cpu_feature_name(enum cpu_word word, unsigned int bit, char *text)
{
	for (size_t i = 0; i < FEATURES; i++) {
		if (features[i].word == word && features[i].bit == bit)
			return features[i].name;
	}
	(void)snprintf(text, CPU_NAME, "feature %u", 32 * word + bit);
	return text;
}

const char *cpu_part_name(unsigned int part, char *text)
{
	static const char *const names[] = { "x87",	"SSE",	   "AVX",     "MPX", "MPX",
					     "AVX-512", "AVX-512", "AVX-512", NULL,  "PKRU",
					     NULL,	NULL,	   NULL,      NULL,  NULL,
					     NULL,	NULL,	   "AMX",     "AMX", "APX" };

	if (part < sizeof(names) / sizeof(names[0]) && names[part])
		return names[part];
	(void)snprintf(text, CPU_NAME, "part %u", part);
	return text;
}

/* ---- extended state ---- */

enum { LEGACY_SIZE = 512, SOFTWARE = 464, HEADER = 576 };

uint64_t cpu_parts_in(const void *xstate)
{
	uint64_t parts;

	memcpy(&parts, (const char *)xstate + LEGACY_SIZE, sizeof(parts));
	return parts & ~LEGACY;
}

bool cpu_convert(const struct cpu *from, const void *state, size_t size, const struct cpu *to,
		 void *ret_state, size_t ret_size)
{
	uint64_t parts = cpu_parts_in(state);
	char *out = ret_state;

	if (size < HEADER || ret_size < HEADER)
		return false;
	/* The kernel's own bytes behind the legacy registers say which form this is. */
	memcpy(out, state, SOFTWARE);
	memset(out + LEGACY_SIZE, 0, ret_size - LEGACY_SIZE);
	memcpy(out + LEGACY_SIZE, (const char *)state + LEGACY_SIZE, sizeof(parts));
	for (unsigned int i = 2; i < CPU_PARTS; i++) {
		const struct cpu_part *old = &from->parts[i];
		const struct cpu_part *new = &to->parts[i];

		if (!(parts >> i & 1))
			continue;
		if (old->size == 0 || old->size != new->size || old->offset > size ||
		    old->size > size - old->offset || new->offset > ret_size ||
		    new->size > ret_size - new->offset)
			return false;
		memcpy(out + new->offset, (const char *)state + old->offset, old->size);
	}
	return true;
}
