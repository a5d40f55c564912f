/* One line a test case; the exit status tells whether all held. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct checks {
	int failed;
};

static inline void check_case(struct checks *checks, const char *name, bool holds)
{
	(void)printf("%s %s\n", holds ? "ok" : "not ok", name);
	checks->failed += !holds;
}
