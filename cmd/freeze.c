/* ctckpt freeze: stop every task of a container. */
#include <inttypes.h>

#include "commands.h"

struct json *freeze_to_json(const struct ctckpt_freeze_result *result)
{
	struct json *object = json_new_object();

	json_put_u64(object, "tasks", result->tasks);
	json_put_u64(object, "threads", result->threads);
	json_put_u64(object, "freezing_time", result->freezing_time);
	json_put_bool(object, "was_frozen", result->was_frozen);
	json_put_bool(object, "has_holder", result->has_holder);
	return object;
}

int cmd_freeze(struct invocation *inv, const void *settings, struct err *err)
{
	struct ctckpt_freeze_result result = { .tasks = 0 };
	char time[FORMAT_SIZE];
	int r;

	engine_roots_set(((const struct engine_root_settings *)settings)->engine_roots);
	r = ctckpt_freeze(inv->operands[0], &result, err);
	if (r < 0)
		return r;
	if (inv->common.json) {
		auto_json struct json *object = freeze_to_json(&result);

		print_json(stdout, object);
		return 0;
	}
	print_text(stdout, inv->operands[0]);
	if (result.was_frozen)
		(void)printf(": was frozen already\n");
	else
		(void)printf(": %" PRIu32 " tasks (%" PRIu32 " threads) frozen in %s\n",
			     result.tasks, result.threads, format_time(time, result.freezing_time));
	return 0;
}
