/* ctckpt kinds: the kernel resources that can be saved. */
#include "commands.h"
#include "kind/kind.h"

int cmd_kinds(const struct invocation *inv, const void *settings, struct err *err)
{
	(void)settings;
	(void)err;
	if (inv->common.json)
		return print_kinds_json(err);
	for (size_t i = 0; kinds[i]; i++)
		(void)printf("%-16s%-12s%s\n", kinds[i]->name, scope_name(kinds[i]->scope),
			     kinds[i]->summary ? kinds[i]->summary : "");
	return 0;
}
