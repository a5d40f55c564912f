/* ctckpt verify: check every byte of an image. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"
#include "ctckpt/inspect.h"
#include "image_file.h"

const struct option_row verify_options[] = {
	LIMIT_OPTIONS(verify_settings),
	{ 0 },
};

static void print_result_json(const struct ctckpt_verify_result *result)
{
	auto_json struct json *object = json_new_object();

	json_put_string(object, "compression", compression_words[result->compression]);
	json_put_u64(object, "created", result->created);
	json_put_u64(object, "records", result->records);
	json_put_u64(object, "unknown_records", result->unknown);
	json_put_u64(object, "metadata_size", result->metadata_size);
	json_put_u64(object, "pages_size", result->pages_size);
	json_put_u64(object, "image_size", result->image_size);
	print_json(stdout, object);
}

int cmd_verify(struct invocation *inv, const void *argument, struct err *err)
{
	const struct verify_settings *settings = argument;
	struct image_limits limits = image_default_limits;
	struct ctckpt_verify_result result = { .records = 0 };
	char size[FORMAT_SIZE], pages[FORMAT_SIZE];
	int r = image_check_input(inv->operands[0], err);

	if (r == 0)
		r = limits_apply(&settings->reading, &limits, err);
	if (r == 0)
		r = ctckpt_verify(inv->operands[0], STDIN_FILENO, &limits, &result, err);
	if (r < 0)
		return r;
	if (inv->common.json) {
		print_result_json(&result);
		return 0;
	}
	print_text(stdout, inv->operands[0]);
	(void)printf(": whole: %s, %" PRIu64 " records, %s of memory, compression %s\n",
		     format_bytes(size, result.image_size), result.records,
		     format_bytes(pages, result.pages_size), compression_words[result.compression]);
	return 0;
}
