/* Unit tests: a table of cases; a line "ok NAME" or "not ok NAME: FILE:LINE: ..." for each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	bool has_failed;
};

struct unit_case {
	const char *name;
	void (*run)(struct unit *unit);
};

#define UNIT_CASE(function)                                                                        \
	{                                                                                          \
#function, function                                                                \
	}

/* Reports the first failure of a case; the case goes on, so guard what depends on it. */
#define EXPECT(unit, condition)                                                                    \
	({                                                                                         \
		bool holds_ = (condition);                                                         \
		if (!holds_ && !(unit)->has_failed) {                                              \
			(unit)->has_failed = true;                                                 \
			printf("not ok %s: %s:%d: %s\n", (unit)->name, __FILE__, __LINE__,         \
			       #condition);                                                        \
		}                                                                                  \
		holds_;                                                                            \
	})

#define EXPECT_TEXT(unit, text, wanted)                                                            \
	({                                                                                         \
		const char *text_ = (text), *wanted_ = (wanted);                                   \
		bool is_same_ = text_ && strcmp(text_, wanted_) == 0;                              \
		if (!is_same_ && !(unit)->has_failed) {                                            \
			(unit)->has_failed = true;                                                 \
			printf("not ok %s: %s:%d: \"%s\" instead of \"%s\"\n", (unit)->name,       \
			       __FILE__, __LINE__, text_ ? text_ : "(null)", wanted_);             \
		}                                                                                  \
		is_same_;                                                                          \
	})

/* The exit status of the test program. */
static inline int unit_run(const struct unit_case *cases, size_t count)
{
	int status = 0;

	for (size_t i = 0; i < count; i++) {
		struct unit unit = { .name = cases[i].name };

		cases[i].run(&unit);
		if (!unit.has_failed)
			printf("ok %s\n", unit.name);
		else
			status = 1;
		(void)fflush(stdout);
	}
	return status;
}
#define UNIT_RUN(cases) unit_run((cases), sizeof(cases) / sizeof((cases)[0]))
