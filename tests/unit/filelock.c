/* Lock lines of fdinfo, and hostile records of locks. */
#include "kind/support/lock_lines.h"

#include "kind/kind.h"
#include "unit.h"

#define HEAD "pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t12345\n"

static void lines_of_all_types(struct unit *unit)
{
	const char *at = lock_line_first(
	    HEAD "lock:\t1: POSIX  ADVISORY  READ  1234 fe:00:12345 0 99\n"
		 "lock:\t2: FLOCK  ADVISORY  WRITE 0 fe:00:12345 0 EOF\n"
		 "lock:\t3: OFDLCK ADVISORY  WRITE -1 103:00:18446744073709551615 7 EOF\n");
	struct lock_line line;

	EXPECT(unit, at && lock_line_next(&at, &line) && line.type == FILE_LOCK_POSIX);
	EXPECT(unit, !line.is_write && line.start == 0 && line.end == 99);
	EXPECT(unit, lock_line_next(&at, &line) && line.type == FILE_LOCK_FLOCK && line.is_write);
	EXPECT(unit, line.start == 0 && line.end == INT64_MAX);
	EXPECT(unit, lock_line_next(&at, &line) && line.type == FILE_LOCK_OFD && line.start == 7);
	EXPECT(unit, !lock_line_next(&at, &line));
	EXPECT(unit,
	       !lock_line_first(HEAD) && !lock_line_first("") && !lock_line_first("x lock:\t"));
}

static void lines_that_are_not_known(struct unit *unit)
{
	static const char *const texts[] = {
		"lock:\t1: LEASE  BREAKING  READ 1234 fe:00:12345 0 EOF\n",
		"lock:\t1: LEASE  ADVISORY  WRITE 1234 fe:00:12345 0 EOF\n",
		"lock:\t1: DELEG  ACTIVE    READ 1234 fe:00:12345 0 EOF\n",
		"lock:\t1: POSIX  MANDATORY WRITE 1234 fe:00:12345 0 EOF\n",
		"lock:\t1: POSIX  ADVISORY  UNLCK 1234 fe:00:12345 0 EOF\n",
		"lock:\t1: POSIX  *NOINODE* WRITE 1234 <none>:0 0 EOF\n",
		"lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 9 8\n",
		"lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 0 9223372036854775808\n",
		"lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 -1 8\n",
		"lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:12345 0 EOF more\n",
		"lock:\t1: POSIX  ADVISORY  WRITE 1234",
		"lock:\t",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *at = texts[i];
		struct lock_line line;

		EXPECT(unit, lock_line_next(&at, &line) && line.type == FILE_LOCK_OTHER);
		EXPECT(unit, !lock_line_next(&at, &line));
	}
}

struct body {
	le32 number, type, is_write, reserved;
	le64 start, end;
};

static struct body valid_body(void)
{
	return (struct body){ .number = le32_make(3), .end = le64_make(INT64_MAX) };
}

static bool is_damaged(const struct body *bodies, size_t length)
{
	struct err err = ERR_NONE;

	return kind_by_name("filelock")->check(bodies, length, &err) == ERR_DAMAGED;
}

static void records_that_lie(struct unit *unit)
{
	struct body two[2] = { valid_body(), valid_body() };
	struct body b = valid_body();

	EXPECT(unit, !is_damaged(&b, sizeof(b)) && !is_damaged(two, sizeof(two)));
	EXPECT(unit, is_damaged(&b, 0) && is_damaged(&b, sizeof(b) - 1));
	two[1].number = le32_make(2);
	EXPECT(unit, is_damaged(two, sizeof(two)));
	b.type = le32_make(FILE_LOCK_OTHER);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
	b = valid_body();
	b.is_write = le32_make(2);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
	b = valid_body();
	b.reserved = le32_make(1);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
	b = valid_body();
	b.end = le64_make((uint64_t)INT64_MAX + 1);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
	b = valid_body();
	b.start = le64_make(UINT64_MAX);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
	b = valid_body();
	b.type = le32_make(FILE_LOCK_FLOCK);
	EXPECT(unit, !is_damaged(&b, sizeof(b)));
	b.start = le64_make(1);
	EXPECT(unit, is_damaged(&b, sizeof(b)));
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(lines_of_all_types),
		UNIT_CASE(lines_that_are_not_known),
		UNIT_CASE(records_that_lie),
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
