/* registers: threads that spin with patterns in all registers the processor has: general ones, x87,
 * SSE, AVX, AVX-512 with its masks, AMX tiles. They spin on both sides of the checkpoint. */
#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "victim.h"

enum { ARCH_REQ_XCOMP = 0x1023, TILEDATA = 18 };

struct pattern {
	unsigned char bytes[8192];
} __attribute__((aligned(64)));

static volatile int go;
static pthread_barrier_t built;

static void fill(struct pattern *pattern, int seed)
{
	for (size_t i = 0; i < sizeof(pattern->bytes); i++)
		pattern->bytes[i] = (unsigned char)(i * 7 + (size_t)seed + i / 64);
}

/* Nothing but assembly lies between the load and the store. */
#define SPIN "1: pause\n cmpl $0, (%[go])\n je 1b\n"

static void spin_general(void)
{
	uint64_t in[8];
	uint64_t out[8] = { 0 };

	for (int i = 0; i < 8; i++)
		in[i] = 0x0123456789abcdef * (uint64_t)(i + 3);
	__asm__ volatile("mov (%[in]), %%r8\n mov 8(%[in]), %%r9\n mov 16(%[in]), %%r10\n"
			 "mov 24(%[in]), %%r11\n mov 32(%[in]), %%r12\n mov 40(%[in]), %%r13\n"
			 "mov 48(%[in]), %%r14\n mov 56(%[in]), %%r15\n std\n stc\n" SPIN
			 "jmp 2f\n 2: cld\n"
			 "mov %%r8, (%[out])\n mov %%r9, 8(%[out])\n mov %%r10, 16(%[out])\n"
			 "mov %%r11, 24(%[out])\n mov %%r12, 32(%[out])\n mov %%r13, 40(%[out])\n"
			 "mov %%r14, 48(%[out])\n mov %%r15, 56(%[out])\n"
			 :
			 : [in] "a"(in), [out] "d"(out), [go] "c"(&go)
			 : "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	EXPECT(memcmp(in, out, sizeof(in)) == 0);
}

static void spin_x87(void)
{
	long double out[2] = { 0 };
	uint16_t control = 0;
	uint16_t odd = 0x0f7f; /* towards zero */
	uint32_t mxcsr = 0;
	uint32_t odd_mxcsr = 0x7f80;

	__asm__ volatile(
	    "fldcw %[odd]\n ldmxcsr %[odd_mxcsr]\n fldpi\n fldl2e\n" SPIN
	    "fstpt (%[out])\n fstpt 16(%[out])\n fnstcw %[control]\n stmxcsr %[mxcsr]\n"
	    "fninit\n"
	    : [control] "=m"(control), [mxcsr] "=m"(mxcsr)
	    : [out] "r"(out), [go] "r"(&go), [odd] "m"(odd), [odd_mxcsr] "m"(odd_mxcsr)
	    : "st", "st(1)", "memory", "cc");
	_mm_setcsr(0x1f80);
	EXPECT((control & 0xf3f) == (odd & 0xf3f) && mxcsr == odd_mxcsr);
	EXPECT(out[0] > 1.44L && out[0] < 1.45L && out[1] > 3.14L && out[1] < 3.15L);
}

#define EACH8(op, p, a)                                                                            \
	op(p, a, 0) op(p, a, 1) op(p, a, 2) op(p, a, 3) op(p, a, 4) op(p, a, 5) op(p, a, 6)        \
	    op(p, a, 7)
#define EACH16(op, p, a)                                                                           \
	EACH8(op, p, a)                                                                            \
	op(p, a, 8) op(p, a, 9) op(p, a, 10) op(p, a, 11) op(p, a, 12) op(p, a, 13) op(p, a, 14)   \
	    op(p, a, 15)
#define EACH16HIGH(op, p, a)                                                                       \
	op(p, a, 16) op(p, a, 17) op(p, a, 18) op(p, a, 19) op(p, a, 20) op(p, a, 21) op(p, a, 22) \
	    op(p, a, 23) op(p, a, 24) op(p, a, 25) op(p, a, 26) op(p, a, 27) op(p, a, 28)          \
		op(p, a, 29) op(p, a, 30) op(p, a, 31)
#define LOAD(p, insn, n)  insn " " #n "*64(%[in]), %%" p #n "\n"
#define STORE(p, insn, n) insn " %%" p #n ", " #n "*64(%[out])\n"

static void expect_vectors(const struct pattern *in, const struct pattern *out, int count,
			   size_t size)
{
	for (int i = 0; i < count; i++) {
		if (memcmp(in->bytes + i * 64, out->bytes + i * 64, size) != 0)
			victim_fail("vector register %d of %zu bytes", i, size);
	}
}

static void spin_sse(void)
{
	struct pattern in;
	struct pattern out = { { 0 } };

	fill(&in, 1);
	__asm__ volatile(EACH16(LOAD, "xmm", "movaps") SPIN EACH16(STORE, "xmm", "movaps")
			 :
			 : [in] "r"(&in), [out] "r"(&out), [go] "r"(&go)
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15");
	expect_vectors(&in, &out, 16, 16);
}

__attribute__((target("avx"))) static void spin_avx(void)
{
	struct pattern in;
	struct pattern out = { { 0 } };

	fill(&in, 2);
	__asm__ volatile(
	    EACH16(LOAD, "ymm", "vmovaps") SPIN EACH16(STORE, "ymm", "vmovaps") "vzeroupper\n"
	    :
	    : [in] "r"(&in), [out] "r"(&out), [go] "r"(&go)
	    : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
	      "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	expect_vectors(&in, &out, 16, 32);
}

__attribute__((target("avx512f,avx512bw"))) static void spin_avx512(void)
{
	struct pattern in;
	struct pattern out = { { 0 } };
	uint64_t masks[2] = { 0x123456789abcdef0, 0xfedcba9876543210 };
	uint64_t got[2] = { 0 };

	fill(&in, 3);
	__asm__ volatile(
	    "kmovq (%[masks]), %%k1\n kmovq 8(%[masks]), %%k7\n" EACH16(LOAD, "zmm", "vmovaps")
		EACH16HIGH(LOAD, "zmm", "vmovaps") SPIN EACH16(STORE, "zmm", "vmovaps") EACH16HIGH(
		    STORE, "zmm",
		    "vmovaps") "kmovq %%k1, (%[got])\n kmovq %%k7, 8(%[got])\n vzeroupper\n"
	    :
	    : [in] "r"(&in), [out] "r"(&out), [go] "r"(&go), [masks] "r"(masks), [got] "r"(got)
	    : "memory", "cc", "k1", "k7", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
	      "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16",
	      "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
	      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
	expect_vectors(&in, &out, 32, 64);
	EXPECT(memcmp(masks, got, sizeof(masks)) == 0);
}

/* Eight tiles of 16 rows of 64 bytes. */
static void spin_amx(void)
{
	struct pattern in;
	struct pattern out = { { 0 } };
	unsigned char config[64] __attribute__((aligned(64))) = { 1 };

	fill(&in, 4);
	for (int i = 0; i < 8; i++) {
		config[16 + 2 * i] = 64;
		config[48 + i] = 16;
	}
	__asm__ volatile(
	    "ldtilecfg (%[config])\n"
	    "tileloadd (%[in],%[row],1), %%tmm0\n"
	    "tileloadd 1024(%[in],%[row],1), %%tmm1\n"
	    "tileloadd 7168(%[in],%[row],1), %%tmm7\n" SPIN "tilestored %%tmm0, (%[out],%[row],1)\n"
	    "tilestored %%tmm1, 1024(%[out],%[row],1)\n"
	    "tilestored %%tmm7, 7168(%[out],%[row],1)\n"
	    "tilerelease\n"
	    :
	    : [in] "r"(&in), [out] "r"(&out), [go] "r"(&go), [config] "r"(config), [row] "r"(64l)
	    : "memory", "cc");
	EXPECT(memcmp(in.bytes, out.bytes, 2048) == 0);
	EXPECT(memcmp(in.bytes + 7168, out.bytes + 7168, 1024) == 0);
}

static bool has_amx(void)
{
	unsigned int a;
	unsigned int b;
	unsigned int c;
	unsigned int d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 24 & 1 &&
	       syscall(SYS_arch_prctl, ARCH_REQ_XCOMP, TILEDATA) == 0;
}

static void *run(void *argument)
{
	void (*const spin)(void) = *(void (**)(void))argument;

	(void)pthread_barrier_wait(&built);
	spin();
	return NULL;
}

int main(void)
{
	void (*spins[6])(void) = { spin_general, spin_x87, spin_sse };
	pthread_t threads[6];
	unsigned int count = 3;

	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx"))
		spins[count++] = spin_avx;
	if (__builtin_cpu_supports("avx512bw"))
		spins[count++] = spin_avx512;
	if (has_amx())
		spins[count++] = spin_amx;
	EXPECT(pthread_barrier_init(&built, NULL, count + 1) == 0);
	for (unsigned int i = 0; i < count; i++)
		EXPECT(pthread_create(&threads[i], NULL, run, &spins[i]) == 0);
	(void)pthread_barrier_wait(&built);
	/* All of them on the processor once: a fresh barrier does not say that they spin. */
	(void)usleep(100 * 1000);
	wait_for_restore();
	(void)usleep(100 * 1000);
	go = 1;
	for (unsigned int i = 0; i < count; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	victim_done();
}
