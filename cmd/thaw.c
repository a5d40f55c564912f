/* ctckpt thaw: let a frozen container go on. */
#include "commands.h"

int cmd_thaw(struct invocation *inv, const void *settings, struct err *err)
{
	struct ctckpt_freeze_result result = { .tasks = 0 };
	int r;

	engine_roots_set(((const struct engine_root_settings *)settings)->engine_roots);
	r = ctckpt_thaw(inv->operands[0], &result, err);
	if (r < 0)
		return r;
	if (inv->common.json) {
		auto_json struct json *object = freeze_to_json(&result);

		print_json(stdout, object);
		return 0;
	}
	print_text(stdout, inv->operands[0]);
	(void)puts(result.was_frozen ? ": goes on" : ": was not frozen");
	return 0;
}
