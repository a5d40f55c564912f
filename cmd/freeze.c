/* ctckpt freeze: stop every task of a container. */
#include <inttypes.h>

#include "commands.h"

int cmd_freeze(const struct invocation *inv, const void *settings, struct err *err)
{
	struct ctckpt_freeze_result result = { .tasks = 0 };
	char time[FORMAT_SIZE];
	int r = ctckpt_freeze(inv->operands[0], &result, err);

	(void)settings;
	if (r < 0)
		return r;
	if (inv->common.json) {
		print_freeze_json(&result);
		return 0;
	}
	print_text(stdout, inv->operands[0]);
	if (result.was_frozen)
		(void)printf(": was frozen already\n");
	else
		(void)printf(": %" PRIu32 " tasks (%" PRIu32 " threads) frozen in %s\n",
			     result.tasks, result.threads,
			     format_time(time, result.freezing_time));
	return 0;
}
