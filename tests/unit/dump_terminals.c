/* Terminals that a dump refuses: the second whose other end is outside of the container, and one
 * that was hung up by an administrator. */
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

/* As vhangup(2) leaves it: a description that was hung up, and a master. */
static void hung_up(struct unit *unit)
{
	struct ends alive = open_ends();
	struct ends dead = open_ends();
	struct target_fd files[] = { { .id = 5, .fd = alive.master },
				     { .id = 6, .fd = dead.slave } };
	struct dump_terminal_end ends[] = { { &files[0], PTY_MASTER, 0 },
					    { &files[1], PTY_SLAVE, 0 } };
	auto_made struct made made;
	struct err err = ERR_NONE;
	uint32_t id;

	made_begin(&made);
	made.d.fd = NULL;
	made.own.terminals =
	    (struct dump_terminals){ .ends = ends, .end_count = 2, .is_scanned = true };
	(void)close(dead.master);
	EXPECT(unit, alive.slave >= 0 && terminal_is_hung_up(dead.slave));
	EXPECT(unit, terminal_at(&made.d, 0, &id, &err) == 0);
	EXPECT_TEXT(unit, made.own.blockers.data,
		    "task 1 (made): terminal /dev/pts/0 was hung up, and is in use again");
	EXPECT(unit, made.own.record_count == 0);
	free(made.own.terminals.pairs);
	(void)close(alive.master);
	(void)close(alive.slave);
	(void)close(dead.slave);
}

static const struct unit_case cases[] = {
	UNIT_CASE(second_outside),
	UNIT_CASE(hung_up),
};

int main(void)
{
	return UNIT_RUN(cases);
}
