/* ctckpt oci-hook: called by runc, crun, podman and CRI-O when a container starts and ends. */
#include <unistd.h>

#include "commands.h"
#include "ctckpt/hook.h"

#define AT(field) offsetof(struct oci_hook_settings, field)
const struct option_row oci_hook_options[] = {
	{ "below", 0, "DIR",
	  "annotations may only name what is below DIR [/, for root /var/lib/ctckpt]", OPTION_TEXT,
	  AT(below), 0, NULL },
	{ "least", 0, "SECONDS", "checkpoints are not made more often than this [1, for root 10]",
	  OPTION_NUMBER, AT(least), 0, NULL },
	{ "most", 0, "N", "no more images are kept [as annotated, for root 100]", OPTION_NUMBER,
	  AT(most), 0, NULL },
	{ "by-name", 0, NULL, "also images of containers that had the name before count, and go",
	  OPTION_FLAG, AT(by_name), 0, NULL },
	{ 0 },
};
#undef AT

/* A hook that fails would keep the container from starting. */
int cmd_oci_hook(struct invocation *inv, const void *argument, struct err *err)
{
	const struct oci_hook_settings *settings = argument;
	struct ctckpt_hook_options options = {
		.stage = inv->operands[0],
		.below = settings->below,
		.least = settings->least,
		.most = settings->most,
		.by_name = settings->by_name,
		.input = STDIN_FILENO,
		.output = STDOUT_FILENO,
	};
	int r = ctckpt_oci_hook(&options, err);

	if (r < 0)
		print_error(inv, err, err_exit_status(r));
	return 0;
}
