/* Seccomp filters, checked and run as the kernel does it. See filter.h. */
#include "core/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"

void filter_free(struct filter *filter)
{
	free(filter->code);
	*filter = FILTER_NONE;
}

bool filter_is_same(const struct filter *one, const struct filter *other)
{
	if (!one->code || !other->code)
		return !one->code && !other->code;
	return one->count == other->count &&
	       memcmp(one->code, other->code, one->count * sizeof(*one->code)) == 0;
}

/* ---- the check: what seccomp_check_filter() and bpf_check_classic() let pass ---- */

static bool is_operation(uint16_t operation)
{
	switch (operation) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_DIV:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH:
		return true;
	default:
		return false;
	}
}

static bool is_valid_alu(const struct sock_filter *step)
{
	uint16_t operation = BPF_OP(step->code);
	bool is_constant = BPF_SRC(step->code) == BPF_K;

	if (step->code == (BPF_ALU | BPF_NEG))
		return true;
	if (!is_operation(operation))
		return false;
	if (is_constant && operation == BPF_DIV)
		return step->k != 0;
	if (is_constant && (operation == BPF_LSH || operation == BPF_RSH))
		return step->k < 32;
	return true;
}

static bool is_valid_jump(const struct sock_filter *step, size_t left)
{
	switch (BPF_OP(step->code)) {
	case BPF_JA:
		return BPF_SRC(step->code) == BPF_K && step->k < left;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return step->jt < left && step->jf < left;
	default:
		return false;
	}
}

static bool is_valid_load(const struct sock_filter *step)
{
	switch (step->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return step->k < sizeof(struct seccomp_data) && step->k % 4 == 0;
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return step->k < BPF_MEMWORDS;
	default:
		return false;
	}
}

static bool is_valid_step(const struct sock_filter *step, size_t left)
{
	if (step->code & ~0xffu)
		return false;
	switch (BPF_CLASS(step->code)) {
	case BPF_ALU:
		return is_valid_alu(step);
	case BPF_JMP:
		return is_valid_jump(step, left);
	case BPF_RET:
		return step->code == (BPF_RET | BPF_K) || step->code == (BPF_RET | BPF_A);
	case BPF_MISC:
		return step->code == (BPF_MISC | BPF_TAX) || step->code == (BPF_MISC | BPF_TXA);
	default:
		return is_valid_load(step);
	}
}

bool filter_is_valid(const struct sock_filter *code, size_t count)
{
	if (count == 0 || count > FILTER_COUNT_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!is_valid_step(&code[i], count - i - 1))
			return false;
	}
	return BPF_CLASS(code[count - 1].code) == BPF_RET;
}

/* ---- the interpreter ---- */

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
	const struct seccomp_data *data;
};

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31);
	default:
		return a >> (b & 31);
	}
}

static bool compare(uint16_t operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	default:
		return a & b;
	}
}

static void load(struct machine *m, const struct sock_filter *step)
{
	bool is_index = BPF_CLASS(step->code) == BPF_LDX;
	uint32_t value = step->k;

	if (BPF_MODE(step->code) == BPF_ABS)
		memcpy(&value, (const char *)m->data + step->k, sizeof(value));
	else if (BPF_MODE(step->code) == BPF_MEM)
		value = m->memory[step->k];
	else if (BPF_MODE(step->code) == BPF_LEN)
		value = sizeof(*m->data);
	*(is_index ? &m->x : &m->a) = value;
}

/* All but jumps and the end. */
static void take_step(struct machine *m, const struct sock_filter *step)
{
	switch (BPF_CLASS(step->code)) {
	case BPF_ALU:
		m->a = BPF_OP(step->code) == BPF_NEG
			   ? -m->a
			   : calculate(BPF_OP(step->code), m->a,
				       BPF_SRC(step->code) == BPF_X ? m->x : step->k);
		return;
	case BPF_ST:
		m->memory[step->k] = m->a;
		return;
	case BPF_STX:
		m->memory[step->k] = m->x;
		return;
	case BPF_MISC:
		if (BPF_MISCOP(step->code) == BPF_TAX)
			m->x = m->a;
		else
			m->a = m->x;
		return;
	default:
		load(m, step);
	}
}

uint32_t filter_verdict(const struct filter *filter, const struct seccomp_data *data)
{
	struct machine m = { .data = data };

	for (size_t i = 0; i < filter->count; i++) {
		const struct sock_filter *step = &filter->code[i];

		if (BPF_CLASS(step->code) == BPF_RET)
			return BPF_RVAL(step->code) == BPF_A ? m.a : step->k;
		/* A division by zero ends it, with 0. */
		if (step->code == (BPF_ALU | BPF_DIV | BPF_X) && m.x == 0)
			return SECCOMP_RET_KILL_THREAD;
		if (step->code == (BPF_JMP | BPF_JA))
			i += step->k;
		else if (BPF_CLASS(step->code) == BPF_JMP)
			i += compare(BPF_OP(step->code), m.a,
				     BPF_SRC(step->code) == BPF_X ? m.x : step->k)
				 ? step->jt
				 : step->jf;
		else
			take_step(&m, step);
	}
	return SECCOMP_RET_KILL_PROCESS;
}

int filter_install(const struct filter *filter, struct err *err)
{
	const struct sock_fprog program = { .len = (unsigned short)filter->count,
					    .filter = filter->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_set(err, -errno, "install the seccomp filter");
	return 0;
}

/* ---- as text ---- */

char *filter_print(const struct filter *filter)
{
	auto_buf struct buf text = BUF_EMPTY;

	(void)buf_append(&text, NULL, 0);
	for (size_t i = 0; i < filter->count; i++)
		buf_printf(&text, "%04x%02x%02x%08x", filter->code[i].code, filter->code[i].jt,
			   filter->code[i].jf, filter->code[i].k);
	return take_ptr(text.data);
}

static bool scan_digits(const char *text, size_t digits, uint64_t *ret_value)
{
	char part[9] = { 0 };
	const char *at = part;

	memcpy(part, text, digits);
	return scan_number(&at, 16, UINT32_MAX, ret_value) && at == part + digits;
}

int filter_parse(const char *text, struct filter *ret_filter, struct err *err)
{
	enum { DIGITS = 16 };
	size_t length = strlen(text);
	struct filter filter = FILTER_NONE;
	bool is_whole = length % DIGITS == 0 && length / DIGITS <= FILTER_COUNT_MAX;

	if (is_whole)
		filter.code = mem_alloc(length / DIGITS + 1, sizeof(*filter.code));
	for (; is_whole && filter.count < length / DIGITS; filter.count++) {
		const char *at = text + filter.count * DIGITS;
		uint64_t code, jt, jf, k;

		is_whole = scan_digits(at, 4, &code) && scan_digits(at + 4, 2, &jt) &&
			   scan_digits(at + 6, 2, &jf) && scan_digits(at + 8, 8, &k);
		if (is_whole)
			filter.code[filter.count] =
			    (struct sock_filter){ (uint16_t)code, (uint8_t)jt, (uint8_t)jf,
						  (uint32_t)k };
	}
	if (!is_whole || !filter_is_valid(filter.code, filter.count)) {
		filter_free(&filter);
		return err_set(err, -EBADMSG, "it is not a seccomp filter");
	}
	*ret_filter = filter;
	return 0;
}
