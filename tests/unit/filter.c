/* Seccomp filters: what is valid, and that our interpreter says what the kernel does. */
#include "core/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool is_valid(struct sock_filter first)
{
	const struct sock_filter code[] = { first, ALLOW, ALLOW };

	return filter_is_valid(code, 3);
}

static void validity(struct unit *unit)
{
	const struct sock_filter allow = ALLOW;
	const struct sock_filter pair[] = { ALLOW, ALLOW };
	static struct sock_filter many[FILTER_COUNT_MAX + 1];
	const struct sock_filter load = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);

	EXPECT(unit, filter_is_valid(&allow, 1));
	EXPECT(unit, !filter_is_valid(&pair[1], 0));
	for (size_t i = 0; i <= FILTER_COUNT_MAX; i++)
		many[i] = allow;
	EXPECT(unit, filter_is_valid(many, FILTER_COUNT_MAX));
	EXPECT(unit, !filter_is_valid(many, FILTER_COUNT_MAX + 1));
	EXPECT(unit, !filter_is_valid(&load, 1));
	EXPECT(unit, is_valid(load));
	EXPECT(unit, is_valid((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0)));
	EXPECT(unit, is_valid((struct sock_filter)BPF_STMT(BPF_ST, 15)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_ST, 16)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_LDX | BPF_MEM, 16)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3)));
	EXPECT(unit, is_valid((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 1, 0)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 2, 0)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 2)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 2)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(0x100 | BPF_RET | BPF_K, 0)));
	EXPECT(unit, !is_valid((struct sock_filter)BPF_STMT(BPF_RET | BPF_X, 0)));
}

static struct sock_filter random_step(void)
{
	static const uint16_t operations[] = { BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
					       BPF_OR,	BPF_XOR, BPF_LSH, BPF_RSH };
	static const uint16_t jumps[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };
	uint16_t operation = operations[random() % 9];
	uint16_t source = random() % 2 ? BPF_K : BPF_X;

	switch (random() % 8) {
	case 0:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    16 + random() % 12 * 4);
	case 1:
		return (struct sock_filter)BPF_STMT(BPF_LDX | BPF_MEM, random() % 16);
	case 2:
		return (struct sock_filter)BPF_STMT(random() % 2 ? BPF_ST : BPF_STX, random() % 16);
	case 3:
		return (struct sock_filter)BPF_STMT(BPF_MISC | (random() % 2 ? BPF_TAX : BPF_TXA),
						    0);
	case 4:
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[random() % 4] | source,
						    (uint32_t)random(), random() % 4, random() % 4);
	case 5:
		return (struct sock_filter)BPF_STMT(BPF_ALU | BPF_NEG, 0);
	default:
		return (struct sock_filter)BPF_STMT(BPF_ALU | operation | source,
						    1 + random() % 31);
	}
}

enum { RANDOM_STEPS = 40 };

/* All calls but getppid pass; that one answers with an errno that is calculated. */
static void make_random(struct sock_filter code[], size_t *ret_count)
{
	size_t n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0);
	code[n++] = (struct sock_filter)ALLOW;
	/* The kernel refuses to load words of memory that were not stored. */
	for (uint32_t i = 0; i < BPF_MEMWORDS; i++)
		code[n++] = (struct sock_filter)BPF_STMT(BPF_ST, i);
	for (int i = 0; i < RANDOM_STEPS; i++)
		code[n++] = random_step();
	/* Where jumps over the end may land. */
	for (int i = 0; i < 4; i++)
		code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	*ret_count = n;
}

enum { QUESTIONS = 20 };

static struct seccomp_data question(const uint64_t args[6], int number)
{
	struct seccomp_data data = { .nr = SYS_getppid, .arch = AUDIT_ARCH_X86_64 };

	for (int j = 0; j < 6; j++)
		data.args[j] = args[j] * (uint64_t)(number + 1);
	return data;
}

/* In a child, which the filter confines for good. */
static int ask_kernel(const struct filter *filter, const uint64_t args[6])
{
	struct err err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || filter_install(filter, &err) < 0)
		return 1;
	for (int i = 0; i < QUESTIONS; i++) {
		struct seccomp_data data = question(args, i);
		uint32_t wanted = filter_verdict(filter, &data) & SECCOMP_RET_DATA;
		long got;

		errno = 0;
		got = syscall(SYS_getppid, data.args[0], data.args[1], data.args[2], data.args[3],
			      data.args[4], data.args[5]);
		if (wanted == 0 ? got != 0 : got != -1 || (uint32_t)errno != wanted)
			return 2;
	}
	return 0;
}

static bool would_kill(const struct filter *filter, const uint64_t args[6])
{
	for (int i = 0; i < QUESTIONS; i++) {
		struct seccomp_data data = question(args, i);

		if (filter_verdict(filter, &data) == SECCOMP_RET_KILL_THREAD)
			return true;
	}
	return false;
}

static void like_the_kernel(struct unit *unit)
{
	srandom(7);
	for (int i = 0; i < 200; i++) {
		struct sock_filter code[100];
		struct filter filter = { .code = code };
		uint64_t args[6];
		int status = -1;
		pid_t child;

		make_random(code, &filter.count);
		for (int j = 0; j < 6; j++)
			args[j] = (uint64_t)random() << 31 ^ (uint64_t)random();
		EXPECT(unit, filter_is_valid(code, filter.count));
		child = fork();
		if (child == 0)
			_exit(ask_kernel(&filter, args));
		EXPECT(unit, child > 0 && waitpid(child, &status, 0) == child);
		EXPECT(unit, would_kill(&filter, args)
				 ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
				 : WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void as_text(struct unit *unit)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), ALLOW };
	struct filter filter = { code, 2 }, got = FILTER_NONE;
	char *text = filter_print(&filter);
	struct err err;

	EXPECT_TEXT(unit, text, "0020000000000004000600007fff0000");
	EXPECT(unit, filter_parse(text, &got, &err) == 0 && got.count == 2 &&
			 memcmp(got.code, code, sizeof(code)) == 0);
	EXPECT(unit, filter_parse("", &filter, &err) < 0);
	EXPECT(unit, filter_parse("0020000000000004", &filter, &err) < 0);
	EXPECT(unit, filter_parse("000600007fff000", &filter, &err) < 0);
	EXPECT(unit, filter_parse("0006000g7fff0000", &filter, &err) < 0);
	filter_free(&got);
	free(text);
}

static const struct unit_case cases[] = {
	UNIT_CASE(validity),
	UNIT_CASE(like_the_kernel),
	UNIT_CASE(as_text),
};

int main(void)
{
	return UNIT_RUN(cases);
}
