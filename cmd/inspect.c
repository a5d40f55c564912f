/* ctckpt inspect: what is in an image. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "core/cleanup.h"
#include "image/image.h"
#include "image_file.h"
#include "kind/kind.h"

enum section { SECTION_SUMMARY, SECTION_RECORDS, SECTION_MEMORY };

#define AT(field) offsetof(struct inspect_settings, field)
const struct option_row inspect_options[] = {
	{ "records", 0, NULL, "list every record", OPTION_CHOICE, AT(section), SECTION_RECORDS,
	  NULL },
	{ "memory", 0, NULL, "list every range of saved memory", OPTION_CHOICE, AT(section),
	  SECTION_MEMORY, NULL },
	LIMIT_OPTIONS(inspect_settings),
	{ 0 },
};
#undef AT

/* The records of one kind. */
struct tally {
	const char *name;
	uint32_t tag;
	uint64_t count;
	uint64_t bytes;
};

static const char *record_name(uint32_t tag)
{
	const struct kind *kind = kind_by_tag(tag);

	if (tag == TAG_CONTENT)
		return "content";
	return kind ? kind->name : "unknown";
}

static struct tally count_records(const struct image *image, uint32_t tag)
{
	struct tally tally = { .name = record_name(tag), .tag = tag };
	const struct record *record = NULL;

	while ((record = image_next(image, tag, record))) {
		tally.count++;
		tally.bytes += record->length;
	}
	return tally;
}

/* One tally a tag, in the order of first records. Owned by the caller. */
static struct tally *tally_records(const struct image *image, size_t *ret_count)
{
	struct tally *tallies = NULL;
	size_t count = 0;

	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];

		if (image_next(image, record->tag, NULL) != record)
			continue;
		array_grow(tallies, count);
		tallies[count++] = count_records(image, record->tag);
	}
	*ret_count = count;
	return tallies;
}

/* ---- text ---- */

static void print_summary(const struct image *image)
{
	char size[FORMAT_SIZE], date[64] = "?";
	time_t created = (time_t)image->created;
	struct tm fields;
	size_t count = 0;
	auto_free struct tally *tallies = tally_records(image, &count);

	if (gmtime_r(&created, &fields))
		(void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &fields);
	(void)printf("created      %s\n", date);
	(void)printf("compression  %s\n", compression_words[image->compression]);
	(void)printf("metadata     %s, %zu records\n", format_bytes(size, image->metadata_size),
		     image->record_count);
	(void)printf("memory       %s\n\n", format_bytes(size, image->pages_size));
	(void)printf("%-16s %8s  %s\n", "KIND", "RECORDS", "SIZE");
	for (size_t i = 0; i < count; i++)
		(void)printf("%-16s %8" PRIu64 "  %s\n", tallies[i].name, tallies[i].count,
			     format_bytes(size, tallies[i].bytes));
}

static void print_records(const struct image *image)
{
	(void)printf("%-16s %8s %7s  %s\n", "KIND", "ID", "VERSION", "BYTES");
	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];

		(void)printf("%-16s %8" PRIu32 " %7u  %" PRIu32 "\n", record_name(record->tag),
			     record->id, record->version, record->length);
	}
}

/* Calls `each` for every extent of every object. */
static void each_extent(const struct image *image, void *argument,
			void (*each)(void *argument, uint32_t id, uint64_t start, uint64_t length))
{
	const struct record *record = NULL;

	while ((record = image_next(image, TAG_CONTENT, record))) {
		const struct image_extent_rec *extents = record->body;

		for (size_t i = 0; i < record->length / sizeof(*extents); i++)
			each(argument, record->id, le64_get(extents[i].start),
			     le64_get(extents[i].length));
	}
}

static void print_extent(void *argument, uint32_t id, uint64_t start, uint64_t length)
{
	char size[FORMAT_SIZE];

	(void)argument;
	(void)printf("%8" PRIu32 "  %016" PRIx64 "  %s\n", id, start, format_bytes(size, length));
}

/* ---- JSON ---- */

static void put_tallies(struct json *object, const struct image *image)
{
	struct json *array = json_new_array();
	size_t count = 0;
	auto_free struct tally *tallies = tally_records(image, &count);

	for (size_t i = 0; i < count; i++) {
		struct json *kind = json_new_object();

		json_put_string(kind, "kind", tallies[i].name);
		json_put_u64(kind, "records", tallies[i].count);
		json_put_u64(kind, "bytes", tallies[i].bytes);
		json_add(array, kind);
	}
	json_put(object, "kinds", array);
}

static void put_records(struct json *object, const struct image *image)
{
	struct json *array = json_new_array();

	for (size_t i = 0; i < image->record_count; i++) {
		const struct record *record = &image->records[i];
		struct json *row = json_new_object();

		json_put_string(row, "kind", record_name(record->tag));
		json_put_u64(row, "id", record->id);
		json_put_u64(row, "version", record->version);
		json_put_u64(row, "bytes", record->length);
		json_add(array, row);
	}
	json_put(object, "records", array);
}

static void add_extent(void *array, uint32_t id, uint64_t start, uint64_t length)
{
	struct json *row = json_new_object();

	json_put_u64(row, "id", id);
	json_put_u64(row, "start", start);
	json_put_u64(row, "length", length);
	json_add(array, row);
}

static void print_image_json(const struct image *image, enum section section)
{
	auto_json struct json *object = json_new_object();

	json_put_u64(object, "created", image->created);
	json_put_string(object, "compression", compression_words[image->compression]);
	json_put_u64(object, "metadata_size", image->metadata_size);
	json_put_u64(object, "pages_size", image->pages_size);
	put_tallies(object, image);
	if (section == SECTION_RECORDS)
		put_records(object, image);
	if (section == SECTION_MEMORY) {
		struct json *array = json_new_array();

		each_extent(image, array, add_extent);
		json_put(object, "memory", array);
	}
	print_json(stdout, object);
}

static void print_image(const struct image *image, enum section section)
{
	switch (section) {
	case SECTION_SUMMARY:
		print_summary(image);
		break;
	case SECTION_RECORDS:
		print_records(image);
		break;
	case SECTION_MEMORY:
		(void)printf("%8s  %-16s  %s\n", "ID", "START", "SIZE");
		each_extent(image, NULL, print_extent);
		break;
	}
}

int cmd_inspect(struct invocation *inv, const void *argument, struct err *err)
{
	const struct inspect_settings *settings = argument;
	enum section section = (enum section)settings->section;
	auto_close int fd = -1;
	auto_image struct image *image = NULL;
	struct image_limits limits = image_default_limits;
	int r = limits_apply(&settings->reading, &limits, err);

	if (r == 0)
		r = image_open(inv->operands[0], &fd, err);
	if (r == 0)
		r = image_read(fd, &limits, &image, err);
	if (r < 0)
		return r;
	if (inv->common.json)
		print_image_json(image, section);
	else
		print_image(image, section);
	return 0;
}
