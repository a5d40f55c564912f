/* ctckpt export, ctckpt import: images in OCI image layouts. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"
#include "ctckpt/layout.h"
#include "image_file.h"

const struct option_row export_options[] = {
	LIMIT_OPTIONS(export_settings),
	{ 0 },
};

#define AT(field) offsetof(struct import_settings, field)
const struct option_row import_options[] = {
	{ "output", 'o', "IMAGE", "write to this file, or to standard output for -", OPTION_TEXT,
	  AT(output), 0, NULL },
	{ "force", 'f', NULL, "replace an image that is there", OPTION_FLAG, AT(force), 0, NULL },
	LIMIT_OPTIONS(import_settings),
	{ 0 },
};
#undef AT

static void print_result(const struct invocation *inv, FILE *out, const char *from, const char *to,
			 const struct ctckpt_layout_result *result)
{
	auto_json struct json *object = NULL;
	char size[FORMAT_SIZE];

	if (!inv->common.json) {
		print_text(out, from);
		(void)fprintf(out, ": %s, in ", format_bytes(size, result->image_size));
		print_text(out, to);
		(void)fprintf(out, ", manifest sha256:%s\n", result->digest);
		return;
	}
	object = json_new_object();
	json_put_string(object, "manifest", result->digest);
	json_put_u64(object, "image_size", result->image_size);
	print_json(out, object);
}

int cmd_export(struct invocation *inv, const void *argument, struct err *err)
{
	const struct export_settings *settings = argument;
	struct image_limits limits = image_default_limits;
	struct ctckpt_layout_result result;
	int r = limits_apply(&settings->reading, &limits, err);

	if (r == 0 && image_is_pipe(inv->operands[0]))
		r = err_set(err, ERR_USAGE, "an image is exported from a file");
	if (r == 0)
		r = ctckpt_export(inv->operands[0], inv->operands[1], &limits, &result, err);
	if (r == 0)
		print_result(inv, stdout, inv->operands[0], inv->operands[1], &result);
	return r;
}

int cmd_import(struct invocation *inv, const void *argument, struct err *err)
{
	const struct import_settings *settings = argument;
	struct image_limits limits = image_default_limits;
	struct ctckpt_layout_result result;
	int r = limits_apply(&settings->reading, &limits, err);

	if (r == 0 && !settings->output)
		r = err_set(err, ERR_USAGE, "--output is needed");
	if (r == 0)
		r = image_check_output(settings->output, err);
	if (r == 0)
		r = ctckpt_import(inv->operands[0], settings->output, STDOUT_FILENO,
				  settings->force, &limits, &result, err);
	if (r == 0 && (!image_is_pipe(settings->output) || inv->common.verbose))
		print_result(inv, image_is_pipe(settings->output) ? stderr : stdout,
			     inv->operands[0], settings->output, &result);
	return r;
}
