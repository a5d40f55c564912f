/* Terminals whose other end is outside of the container: it has one at most. */
#include <stdlib.h>

#include "dump_made.h"

struct ends {
	int master, slave;
};

static struct ends open_ends(void)
{
	struct ends ends = { .master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), .slave = -1 };

	if (ends.master >= 0 && grantpt(ends.master) == 0 && unlockpt(ends.master) == 0)
		ends.slave = open(ptsname(ends.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	return ends;
}

/* The first has its master outside; the second is like this one. */
static void expect_second(struct unit *unit, const struct ends *first,
			  const struct dump_terminal *second, const char *refusal)
{
	struct dump_terminal pairs[] = {
		{ .id = 5, .index = 0, .master = -1, .slave = first->slave },
		*second,
	};
	auto_made struct made made;
	struct err err = ERR_NONE;

	made_begin(&made);
	made.d.fd = NULL;
	made.own.terminals = (struct dump_terminals){ .pairs = pairs, .count = 2 };
	EXPECT(unit, terminal_save(&made.d, &pairs[1], &err) == 0);
	EXPECT_TEXT(unit, made.own.blockers.size > 0 ? made.own.blockers.data : "", refusal);
	EXPECT(unit, made.own.record_count == (refusal[0] ? 0 : 1));
}

static void second_outside(struct unit *unit)
{
	struct ends first = open_ends();
	struct ends second = open_ends();

	if (EXPECT(unit, first.slave >= 0 && second.slave >= 0)) {
		expect_second(unit, &first,
			      &(struct dump_terminal){
				  .id = 6, .index = 1, .master = -1, .slave = second.slave },
			      "task 1 (made): the other end of terminal /dev/pts/1 is outside of "
			      "the container");
		expect_second(
		    unit, &first,
		    &(struct dump_terminal){
			.id = 6, .index = 1, .master = second.master, .slave = second.slave },
		    "");
		expect_second(
		    unit, &first,
		    &(struct dump_terminal){
			.id = 6, .index = 1, .master = -1, .slave = -1, .is_hung_up = true },
		    "");
	}
	(void)close(first.master);
	(void)close(first.slave);
	(void)close(second.master);
	(void)close(second.slave);
}

static const struct unit_case cases[] = {
	UNIT_CASE(second_outside),
};

int main(void)
{
	return UNIT_RUN(cases);
}
