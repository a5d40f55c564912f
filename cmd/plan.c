/* ctckpt plan: what a restore would keep, change and refuse. */
#include <unistd.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "ctckpt/policy.h"
#include "image_file.h"

#define AT(field) offsetof(struct plan_settings, field)
const struct option_row plan_options[] = {
	{ "policy", 'p', "POLICY", "what may differ: strict, map, same-host, forensic [strict]",
	  OPTION_TEXT, AT(policy), 0, policy_words },
	{ "rootfs", 0, "DIR", "the root directory that restore would be given", OPTION_TEXT,
	  AT(rootfs), 0, NULL },
	{ "volume", 0, "SOURCE:DIR[:ro]", "for a mount of the host, as restore would be given",
	  OPTION_LIST, AT(volumes), 0, NULL },
	{ "tcp-established", 0, NULL, "as restore would be given it", OPTION_FLAG,
	  AT(tcp_established), 0, NULL },
	{ "leave-frozen", 0, NULL, "as restore would be given it, with --tcp-established",
	  OPTION_FLAG, AT(leave_frozen), 0, NULL },
	LIMIT_OPTIONS(plan_settings),
	{ 0 },
};
#undef AT

static void print_plan(const struct invocation *inv, const struct plan *plan)
{
	auto_buf struct buf out = BUF_EMPTY;

	if (inv->common.json) {
		auto_json struct json *object = plan_json(plan);

		print_json(stdout, object);
		return;
	}
	plan_text(plan, &out);
	plan_summary(plan, &out);
	(void)puts(out.data);
}

static void drop_plan(struct plan **plan)
{
	plan_free(*plan);
}

static enum ctckpt_network network_of(const struct plan_settings *settings)
{
	if (!settings->tcp_established)
		return CTCKPT_NETWORK_NONE;
	return settings->leave_frozen ? CTCKPT_NETWORK_PROMISED : CTCKPT_NETWORK_SAVED;
}

int cmd_plan(struct invocation *inv, const void *argument, struct err *err)
{
	const struct plan_settings *settings = argument;
	auto_image struct image *image = NULL;
	auto_with(drop_plan) struct plan *plan = NULL;
	struct image_limits limits = image_limits_of_host();
	struct err verdict = ERR_NONE;
	int r = image_check_input(inv->operands[0], err);

	if (r == 0)
		r = limits_apply(&settings->reading, &limits, err);
	if (r == 0)
		r = ctckpt_plan(inv->operands[0], STDIN_FILENO, &limits, settings->policy,
				settings->rootfs, settings->volumes, network_of(settings), &image,
				&plan, err);
	if (r < 0)
		return r;
	print_plan(inv, plan);
	/* A refusal is what the plan says, not a failure to plan: only the status tells. */
	return err_exit_status(plan_verdict(plan, &verdict));
}
