/* ctckpt checkpoint: save a container in an image. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "image_file.h"
#include "target/engine.h"

const char *const compression_words[] = { "none", "lz4", "zstd", NULL };

enum { TCP_CLOSE_OUTSIDE = 1, TCP_KEEP_OUTSIDE };

#define AT(field) offsetof(struct checkpoint_settings, field)
const struct option_row checkpoint_options[] = {
	{ "output", 'o', "IMAGE", "write to this file, or to standard output for - [NAME.ckpt]",
	  OPTION_TEXT, AT(output), 0, NULL },
	{ "force", 'f', NULL, "replace an image that is there", OPTION_FLAG, AT(force), 0, NULL },
	{ "leave-running", 'R', NULL, "let the container go on afterwards", OPTION_CHOICE,
	  AT(after), CTCKPT_LEAVE_RUNNING, NULL },
	{ "leave-stopped", 0, NULL, "leave it frozen", OPTION_CHOICE, AT(after),
	  CTCKPT_LEAVE_STOPPED, NULL },
	{ "tcp-close", 0, NULL, "restore connections that lead outside as closed", OPTION_CHOICE,
	  AT(tcp), TCP_CLOSE_OUTSIDE, NULL },
	{ "tcp-established", 0, NULL, "keep connections that lead outside", OPTION_CHOICE, AT(tcp),
	  TCP_KEEP_OUTSIDE, NULL },
	{ "external", 0, NULL, "descriptors that lead outside will be given by restore --grant",
	  OPTION_FLAG, AT(external), 0, NULL },
	ENGINE_ROOT_ROW(AT(engine_roots)),
	{ "file-system", 0, "PATH,...", "carry these files along [those changed in an overlay]",
	  OPTION_MAYBE, AT(file_system), 0, NULL },
	{ "compress", 'c', "FORMAT", "none, lz4 or zstd [none]", OPTION_WORD, AT(compression), 0,
	  compression_words },
	{ "compress-level", 0, "N", "how hard the compressor tries", OPTION_NUMBER, AT(level), 0,
	  NULL },
	{ "print-stats", 0, NULL, "print times and sizes", OPTION_FLAG, AT(print_stats), 0, NULL },
	{ "progress-fd", 0, "FD", "write progress there as lines of JSON", OPTION_NUMBER,
	  AT(progress_fd), 0, NULL },
	{ 0 },
};
#undef AT

static int choose_image(const char *container, const struct checkpoint_settings *settings,
			char **ret_image, struct err *err)
{
	const char *engine;

	(void)engine_split(container, &engine, &container);
	if (settings->output) {
		*ret_image = mem_string(settings->output);
	} else if (registry_name_is_valid(container)) {
		*ret_image = mem_printf("%s.ckpt", container);
	} else {
		return err_set(err, ERR_USAGE, "%s gives no file name: --output is needed",
			       container);
	}
	return image_check_output(*ret_image, err);
}

static void print_result(const struct invocation *inv, const struct checkpoint_settings *settings,
			 const char *image, const struct ctckpt_stats *stats)
{
	FILE *out = image_is_pipe(image) ? stderr : stdout;
	char size[FORMAT_SIZE], time[FORMAT_SIZE];

	if (inv->common.json) {
		auto_json struct json *object = stats_to_json(stats);

		json_put_string(object, "image", image_is_pipe(image) ? NULL : image);
		print_json(out, object);
		return;
	}
	if (out == stdout || inv->common.verbose) {
		print_text(out, inv->operands[0]);
		(void)fprintf(out, ": saved %" PRIu32 " task%s, %s, frozen for %s, in ",
			      stats->tasks, stats->tasks == 1 ? "" : "s",
			      format_bytes(size, stats->image_size),
			      format_time(time, stats->frozen_time));
		print_text(out, image);
		(void)fputc('\n', out);
	}
	if (settings->print_stats)
		print_stats(out, stats);
}

int cmd_checkpoint(struct invocation *inv, const void *argument, struct err *err)
{
	const struct checkpoint_settings *settings = argument;
	struct ctckpt_checkpoint_options options = {
		.name = inv->operands[0],
		.fd = STDOUT_FILENO,
		.force = settings->force,
		.after = (enum ctckpt_after)settings->after,
		.tcp_close = settings->tcp == TCP_CLOSE_OUTSIDE,
		.tcp_established = settings->tcp == TCP_KEEP_OUTSIDE,
		.external = settings->external,
		.file_system = settings->file_system,
		.compression = (enum image_compression)settings->compression,
		.compression_level = settings->level,
		.progress = progress_step,
	};
	auto_progress struct progress progress = PROGRESS_NONE;
	struct ctckpt_stats stats = { .tasks = 0 };
	auto_free char *image = NULL;
	int r;

	engine_roots_set(settings->engine_roots);
	r = choose_image(options.name, settings, &image, err);
	if (r == 0)
		r = progress_start(&progress, settings->progress_fd, err);
	if (r < 0)
		return r;
	options.image = image;
	options.progress_argument = &progress;
	r = ctckpt_checkpoint(&options, &stats, err);
	progress_end(&progress);
	if (r == 0)
		print_result(inv, settings, image, &stats);
	return r;
}
