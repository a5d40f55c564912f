/* Options of the library that are refused before anything is begun. */
#include "ctckpt/ctckpt.h"
#include "unit.h"

static void frozen_in_the_foreground(struct unit *unit)
{
	const struct ctckpt_restore_options options = { .image = "/nonexistent",
							.leave_frozen = true };
	struct ctckpt_restore_result result;
	struct err err = ERR_NONE;

	EXPECT(unit, ctckpt_restore(&options, &result, &err) == ERR_USAGE);
	EXPECT_TEXT(unit, err.text, "--leave-frozen is for containers in the background");
}

static const struct unit_case cases[] = {
	UNIT_CASE(frozen_in_the_foreground),
};

int main(void)
{
	return UNIT_RUN(cases);
}
