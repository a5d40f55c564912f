/* ctckpt kinds: the kernel resources that can be saved. */
#include "commands.h"
#include "kind/kind.h"

static void print_kinds_json(void)
{
	auto_json struct json *array = json_new_array();

	for (size_t i = 0; kinds[i]; i++) {
		struct json *object = json_new_object();

		json_put_string(object, "name", kinds[i]->name);
		json_put_string(object, "scope", scope_name(kinds[i]->scope));
		json_put_string(object, "summary", kinds[i]->summary);
		json_add(array, object);
	}
	print_json(stdout, array);
}

int cmd_kinds(struct invocation *inv, const void *settings, struct err *err)
{
	(void)settings;
	(void)err;
	if (inv->common.json) {
		print_kinds_json();
		return 0;
	}
	for (size_t i = 0; kinds[i]; i++)
		(void)printf("%-16s%-12s%s\n", kinds[i]->name, scope_name(kinds[i]->scope),
			     kinds[i]->summary ? kinds[i]->summary : "");
	return 0;
}
