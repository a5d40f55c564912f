/* Texts, errors and statistics. See output.h. */
#include "output.h"

#include <inttypes.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/text.h"

void print_text(FILE *out, const char *text)
{
	print_column(out, text, 0);
}

void print_column(FILE *out, const char *text, int width)
{
	auto_buf struct buf buf = BUF_EMPTY;
	int columns = text_append_safe(&buf, text);

	(void)fprintf(out, "%s%*s", buf.data ? buf.data : "", columns < width ? width - columns : 0,
		      "");
}

const char *format_bytes(char *text, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(text, FORMAT_SIZE, "%" PRIu64 " bytes", bytes);
		return text;
	}
	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, FORMAT_SIZE, "%.1f %s", value, units[unit]);
	return text;
}

const char *format_time(char *text, uint64_t time)
{
	if (time < 1000)
		(void)snprintf(text, FORMAT_SIZE, "%" PRIu64 " us", time);
	else if (time < 1000000)
		(void)snprintf(text, FORMAT_SIZE, "%.1f ms", (double)time / 1000);
	else
		(void)snprintf(text, FORMAT_SIZE, "%.2f s", (double)time / 1000000);
	return text;
}

/* A figure of the statistics. */
struct stats_row {
	const char *name;
	const char *unit;
	uint64_t value;
};
enum { STATS_ROWS = 11 };

static void list_stats(const struct ctckpt_stats *stats, struct stats_row rows[STATS_ROWS])
{
	const struct stats_row list[STATS_ROWS] = {
		{ "freezing_time", " us", stats->freezing_time },
		{ "frozen_time", " us", stats->frozen_time },
		{ "memdump_time", " us", stats->memdump_time },
		{ "memwrite_time", " us", stats->memwrite_time },
		{ "pages_scanned", "", stats->pages_scanned },
		{ "pages_written", "", stats->pages_written },
		{ "forking_time", " us", stats->forking_time },
		{ "restore_time", " us", stats->restore_time },
		{ "image_size", " bytes", stats->image_size },
		{ "tasks", "", stats->tasks },
		{ "threads", "", stats->threads },
	};

	memcpy(rows, list, sizeof(list));
}

void print_stats(FILE *out, const struct ctckpt_stats *stats)
{
	struct stats_row rows[STATS_ROWS];

	list_stats(stats, rows);
	for (size_t i = 0; i < STATS_ROWS; i++)
		(void)fprintf(out, "%s: %" PRIu64 "%s\n", rows[i].name, rows[i].value,
			      rows[i].unit);
}

struct json *stats_to_json(const struct ctckpt_stats *stats)
{
	struct stats_row rows[STATS_ROWS];
	struct json *object = json_new_object();

	list_stats(stats, rows);
	for (size_t i = 0; i < STATS_ROWS; i++)
		json_put_u64(object, rows[i].name, rows[i].value);
	return object;
}

void print_json(FILE *out, const struct json *value)
{
	auto_free char *text = json_print(value, true);

	(void)fputs(text, out);
}

static void print_error_json(const struct err *err, int status)
{
	auto_json struct json *object = json_new_object();

	json_put_string(object, "error", err->text);
	json_put_string(object, "hint", err->hint[0] ? err->hint : NULL);
	json_put_i64(object, "status", status);
	print_json(stderr, object);
}

void print_error(const struct invocation *inv, const struct err *err, int status)
{
	if (inv->common.json) {
		print_error_json(err, status);
		return;
	}

	(void)fputs("ctckpt: ", stderr);
	print_text(stderr, err->text);
	(void)fputc('\n', stderr);
	if (err->hint[0]) {
		(void)fputs("hint: ", stderr);
		print_text(stderr, err->hint);
		(void)fputc('\n', stderr);
	} else if (err->code == ERR_USAGE) {
		(void)fprintf(stderr, "hint: ctckpt%s%s --help lists what there is\n",
			      inv->command ? " " : "", inv->command ? inv->command->name : "");
	}
}
