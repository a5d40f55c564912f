/* Extended state in the form of another processor; names of features. */
#include "kind/support/cpu.h"

#include <string.h>

#include "unit.h"

enum { SIZE = 1024, BV = 512 };

static void set_parts(unsigned char *state, uint64_t parts)
{
	memcpy(state + BV, &parts, sizeof(parts));
}

static void moves_parts(struct unit *unit)
{
	struct cpu from = { .parts = { [2] = { 576, 64 }, [9] = { 640, 8 } } };
	struct cpu to = { .parts = { [2] = { 600, 64 }, [5] = { 700, 8 }, [9] = { 800, 8 } } };
	unsigned char state[SIZE] = { 0 };
	unsigned char out[SIZE];

	memset(state, 1, 464);
	memset(state + 464, 0xee, 48);
	memset(state + 576, 2, 64);
	memset(state + 640, 9, 8);
	set_parts(state, 0x207);
	memset(out, 0x55, sizeof(out));
	EXPECT(unit, cpu_convert(&from, state, 648, &to, out, 816));
	EXPECT(unit, memcmp(out, state, 464) == 0 && out[464] == 0x55);
	EXPECT(unit, cpu_parts_in(out) == 0x204);
	EXPECT(unit, out[600] == 2 && out[663] == 2 && out[599] == 0 && out[664] == 0);
	EXPECT(unit, out[700] == 0 && out[800] == 9 && out[807] == 9 && out[808] == 0);
	EXPECT(unit, out[816] == 0x55);
}

static void refuses_parts(struct unit *unit)
{
	struct cpu from = { .parts = { [2] = { 576, 64 } } };
	struct cpu to = { .parts = { [2] = { 576, 64 } } };
	unsigned char state[SIZE] = { 0 };
	unsigned char out[SIZE] = { 0 };

	set_parts(state, 6);
	EXPECT(unit, cpu_convert(&from, state, 640, &to, out, 640));
	EXPECT(unit, !cpu_convert(&from, state, 639, &to, out, 640));
	EXPECT(unit, !cpu_convert(&from, state, 640, &to, out, 639));
	to.parts[2].size = 32;
	EXPECT(unit, !cpu_convert(&from, state, 640, &to, out, 640));
	to.parts[2].size = 0;
	EXPECT(unit, !cpu_convert(&from, state, 640, &to, out, 640));
	EXPECT(unit, !cpu_convert(&from, state, 575, &to, out, 640));
	/* One that is not in use need not be there. */
	set_parts(state, 3);
	EXPECT(unit, cpu_convert(&from, state, 640, &to, out, 640));
}

static void names(struct unit *unit)
{
	char text[CPU_NAME];
	struct cpu cpu;

	EXPECT_TEXT(unit, cpu_feature_name(CPU_7_EBX, 16, text), "avx512f");
	EXPECT_TEXT(unit, cpu_feature_name(CPU_HWCAP2, 31, text), "feature 383");
	EXPECT_TEXT(unit, cpu_part_name(2, text), "AVX");
	EXPECT_TEXT(unit, cpu_part_name(62, text), "part 62");
	cpu_look(&cpu);
	EXPECT(unit, cpu.words[CPU_1_EDX] >> 26 & 1); /* sse2 is part of x86-64 */
	EXPECT(unit, cpu.parts[1].offset == 160 && cpu.parts[1].size == 256);
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(moves_parts),
		UNIT_CASE(refuses_parts),
		UNIT_CASE(names),
	};

	return UNIT_RUN(cases);
}
