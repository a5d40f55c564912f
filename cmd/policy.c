/* ctckpt policy: policy files. */
#include <string.h>

#include "commands.h"
#include "ctckpt/policy.h"

int cmd_policy(struct invocation *inv, const void *settings, struct err *err)
{
	const char *path = inv->operands[1];
	struct err fault = ERR_NONE;
	int r;

	(void)settings;
	if (strcmp(inv->operands[0], "check") != 0)
		return err_set(err, ERR_USAGE, "policy: %s is not known: there is check",
			       inv->operands[0]);
	r = policy_check_file(path, &fault);
	if (inv->common.json) {
		auto_json struct json *object = json_new_object();

		json_put_string(object, "file", path);
		json_put_bool(object, "ok", r == 0);
		json_put_string(object, "error", r == 0 ? NULL : fault.text);
		print_json(stdout, object);
		return err_exit_status(r);
	}
	/* What is wrong in a file is what was asked for, as compilers say it. */
	if (r == 0) {
		print_text(stdout, path);
		(void)puts(": ok");
	} else {
		print_text(stdout, fault.text);
		(void)putchar('\n');
	}
	return err_exit_status(r);
}
