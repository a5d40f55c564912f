/* ctckpt plan: what a restore would keep, change and refuse. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "ctckpt/policy.h"
#include "image_file.h"

enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
static const char *const color_words[] = { "auto", "always", "never", NULL };

#define AT(field) offsetof(struct plan_settings, field)
const struct option_row plan_options[] = {
	{ "policy", 'p', "POLICY",
	  "what may differ: strict, map, same-host, forensic or a file [strict]", OPTION_TEXT,
	  AT(policy), 0, policy_words },
	{ "rootfs", 0, "DIR", "the root directory that restore would be given", OPTION_TEXT,
	  AT(rootfs), 0, NULL },
	{ "bundle", 'b', "DIR", "for a restore by config.json of this OCI bundle", OPTION_TEXT,
	  AT(bundle), 0, NULL },
	{ "volume", 0, "SOURCE:DIR[:ro]", "for a mount of the host, as restore would be given",
	  OPTION_LIST, AT(volumes), 0, NULL },
	{ "grant", 0, "[PID:]fdN=FD", "a descriptor, as restore would be given it", OPTION_LIST,
	  AT(grants), 0, NULL },
	{ "tcp-established", 0, NULL, "as restore would be given it", OPTION_FLAG,
	  AT(tcp_established), 0, NULL },
	{ "leave-frozen", 0, NULL, "as restore would be given it, with --tcp-established",
	  OPTION_FLAG, AT(leave_frozen), 0, NULL },
	{ "file-system", 0, NULL, "as restore would be given it", OPTION_FLAG, AT(file_system), 0,
	  NULL },
	{ "emit-policy", 0, NULL, "print the narrowest policy by which it is restored so",
	  OPTION_FLAG, AT(emit_policy), 0, NULL },
	{ "color", 0, "WHEN", "colours: auto, always or never [auto]", OPTION_WORD, AT(color), 0,
	  color_words },
	LIMIT_OPTIONS(plan_settings),
	{ 0 },
};
#undef AT

/* As terminals and programs agree on: https://no-color.org */
static bool has_color(int color)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	return isatty(STDOUT_FILENO) && !(none && *none) &&
	       !(terminal && strcmp(terminal, "dumb") == 0);
}

static void print_plan(const struct invocation *inv, const struct plan_settings *settings,
		       const struct plan *plan)
{
	auto_buf struct buf out = BUF_EMPTY;

	if (inv->common.json) {
		auto_json struct json *object = plan_json(plan);

		print_json(stdout, object);
		return;
	}
	plan_text(plan, has_color(settings->color), &out);
	plan_summary(plan, &out);
	(void)puts(out.data);
}

/* By no policy is that restored which this one refuses for other reasons than its own. */
static int print_policy(const struct plan *plan, struct err *err)
{
	auto_json struct json *policy = NULL;
	int r = plan_verdict(plan, err);

	if (r < 0)
		return r;
	policy = plan_policy_json(plan);
	print_json(stdout, policy);
	return 0;
}

static void drop_plan(struct plan **plan)
{
	plan_free(*plan);
}

int cmd_plan(struct invocation *inv, const void *argument, struct err *err)
{
	const struct plan_settings *settings = argument;
	auto_image struct image *image = NULL;
	auto_with(drop_plan) struct plan *plan = NULL;
	struct image_limits limits = image_limits_of_host();
	const struct ctckpt_plan_options options = {
		.image = inv->operands[0],
		.fd = STDIN_FILENO,
		.limits = &limits,
		.policy = settings->policy,
		.rootfs = settings->rootfs,
		.bundle = settings->bundle,
		.volumes = settings->volumes,
		.grants = settings->grants,
		.leave_frozen = settings->leave_frozen,
		.tcp_established = settings->tcp_established,
		.file_system = settings->file_system,
	};
	struct err verdict = ERR_NONE;
	int r = image_check_input(options.image, err);

	if (r == 0)
		r = limits_apply(&settings->reading, &limits, err);
	if (r == 0)
		r = ctckpt_plan(&options, &image, &plan, err);
	if (r < 0)
		return r;
	if (settings->emit_policy)
		return print_policy(plan, err);
	print_plan(inv, settings, plan);
	/* A refusal is what the plan says, not a failure to plan: only the status tells. */
	return err_exit_status(plan_verdict(plan, &verdict));
}
