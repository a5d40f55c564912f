/* ctckpt completion: the completion for a shell, from the tables. */
#include <string.h>

#include "commands.h"

int cmd_completion(struct invocation *inv, const void *settings, struct err *err)
{
	(void)settings;
	if (strcmp(inv->operands[0], "bash") != 0)
		return err_set(err, ERR_USAGE, "%s: only bash is known", inv->operands[0]);
	cli_print_completion(stdout);
	return 0;
}
