/* /proc/PID/stat. See procfs.h. The comm is what stands between the first '(' and the last ')':
 * no later field holds a parenthesis, while the comm may hold anything. */
#include <limits.h>
#include <string.h>

#include "core/procfs.h"
#include "core/scan.h"

/* Numbers of the fields, as proc(5) counts them. */
enum {
	FIELD_PPID = 4,
	FIELD_PGRP = 5,
	FIELD_SESSION = 6,
	FIELD_TTY_NR = 7,
	FIELD_FLAGS = 9,
	FIELD_USER_TIME = 14,
	FIELD_SYSTEM_TIME = 15,
	FIELD_NICE = 19,
	FIELD_START_TIME = 22,
	FIELD_START_CODE = 26,
	FIELD_END_CODE = 27,
	FIELD_START_STACK = 28,
	FIELD_EXIT_SIGNAL = 38,
	FIELD_RT_PRIORITY = 40,
	FIELD_POLICY = 41,
	FIELD_START_DATA = 45,
	FIELD_END_DATA = 46,
	FIELD_START_BRK = 47,
	FIELD_ARG_START = 48,
	FIELD_ARG_END = 49,
	FIELD_ENV_START = 50,
	FIELD_ENV_END = 51,
	FIELD_EXIT_CODE = 52,
	FIELD_COUNT,
};

struct fields {
	uint64_t value[FIELD_COUNT]; /* two's complement where negative */
	bool is_negative[FIELD_COUNT];
	bool has_misfit; /* one was asked for that does not fit its type */
};

static bool scan_fields(const char *at, struct fields *fields)
{
	for (size_t i = FIELD_PPID; i < FIELD_COUNT; i++) {
		int64_t number;

		if (!scan_char(&at, ' '))
			return false;
		fields->is_negative[i] = *at == '-';
		if (!fields->is_negative[i]) {
			if (!scan_number(&at, 10, UINT64_MAX, &fields->value[i]))
				return false;
			continue;
		}
		if (!scan_signed(&at, INT64_MIN, -1, &number))
			return false;
		fields->value[i] = (uint64_t)number;
	}
	/* Later kernels may append fields, but every one ends the line. */
	return (*at == '\n' || *at == ' ') && at[strlen(at) - 1] == '\n';
}

static int as_int(struct fields *fields, size_t i)
{
	int64_t value = (int64_t)fields->value[i];

	if ((value < 0) != fields->is_negative[i] || value < INT_MIN || value > INT_MAX)
		fields->has_misfit = true;
	return (int)value;
}

static uint64_t as_u64(struct fields *fields, size_t i)
{
	if (fields->is_negative[i])
		fields->has_misfit = true;
	return fields->value[i];
}

static uint32_t as_u32(struct fields *fields, size_t i)
{
	uint64_t value = as_u64(fields, i);

	if (value > UINT32_MAX)
		fields->has_misfit = true;
	return (uint32_t)value;
}

static void assign(struct fields *f, struct procfs_stat *stat)
{
	stat->ppid = as_int(f, FIELD_PPID);
	stat->pgrp = as_int(f, FIELD_PGRP);
	stat->session = as_int(f, FIELD_SESSION);
	stat->tty_nr = as_int(f, FIELD_TTY_NR);
	stat->flags = as_u32(f, FIELD_FLAGS);
	stat->nice = as_int(f, FIELD_NICE);
	stat->used_time = as_u64(f, FIELD_USER_TIME) + as_u64(f, FIELD_SYSTEM_TIME);
	stat->start_time = as_u64(f, FIELD_START_TIME);
	stat->start_code = as_u64(f, FIELD_START_CODE);
	stat->end_code = as_u64(f, FIELD_END_CODE);
	stat->start_stack = as_u64(f, FIELD_START_STACK);
	stat->exit_signal = as_int(f, FIELD_EXIT_SIGNAL);
	stat->rt_priority = as_u32(f, FIELD_RT_PRIORITY);
	stat->policy = as_u32(f, FIELD_POLICY);
	stat->start_data = as_u64(f, FIELD_START_DATA);
	stat->end_data = as_u64(f, FIELD_END_DATA);
	stat->start_brk = as_u64(f, FIELD_START_BRK);
	stat->arg_start = as_u64(f, FIELD_ARG_START);
	stat->arg_end = as_u64(f, FIELD_ARG_END);
	stat->env_start = as_u64(f, FIELD_ENV_START);
	stat->env_end = as_u64(f, FIELD_ENV_END);
	stat->exit_code = as_int(f, FIELD_EXIT_CODE);
}

int procfs_stat_parse(const char *text, struct procfs_stat *ret_stat, struct err *err)
{
	const char *open = strchr(text, '(');
	const char *close = strrchr(text, ')');
	struct procfs_stat stat = { .state = '?' };
	struct fields fields = { .has_misfit = false };
	size_t length;

	if (!open || !close || close < open)
		return err_set(err, ERR_FAILED, "stat: no command name");
	length = (size_t)(close - open) - 1;
	if (length >= sizeof(stat.comm))
		return err_set(err, ERR_FAILED, "stat: a command name of %zu bytes", length);
	memcpy(stat.comm, open + 1, length);

	if (close[1] != ' ' || close[2] < 'A' || close[2] > 'z')
		return err_set(err, ERR_FAILED, "stat: no state");
	stat.state = close[2];
	if (!scan_fields(close + 3, &fields))
		return err_set(err, ERR_FAILED, "stat: damaged or cut short");
	assign(&fields, &stat);
	if (fields.has_misfit)
		return err_set(err, ERR_FAILED, "stat: a number out of range");
	*ret_stat = stat;
	return 0;
}
