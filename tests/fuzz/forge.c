/* Forges images: real ones with a few bytes altered and all checksums made right again.
 *
 *   forge list IMAGE                    one line a record: tag, id, offset and size of its body
 *   forge get IMAGE PLACE               the 4 bytes there, as a number
 *   forge edit IMAGE OUT PLACE=VALUE... writes OUT; PLACE is TAG[.N]+OFFSET:BYTES: the Nth record
 *                                       (from 0) with this tag; or TAG[.N]-, which makes it one
 *                                       that readers leave out
 *                                       PLACE=@TEXT writes a text instead, BYTES at most, with
 *                                       slashes in front that fill the rest
 *   forge records IMAGE DIR             writes each record's tag and body to a file of its own, as
 *                                       fuzz_kinds takes them; those up to 64 KiB
 *   forge sweep IMAGE                   alters every word to values that hurt, and lists, as
 *                                       PLACE=VALUE, those that the reader takes for sound
 */
#include <sys/stat.h>

#include "records.h"

enum {
	SWEEP_WORDS = 64, /* in one record: the first ones */
	RECORD_MAX = 65536,
};

struct forged {
	struct buf bytes; /* the whole image, as it was */
	struct edited_image image;
};

static bool load(const char *path, struct forged *forged)
{
	auto_fclose FILE *file = fopen(path, "re");
	struct stat st;
	char *data;

	if (!file || fstat(fileno(file), &st) < 0)
		return false;
	data = buf_append(&forged->bytes, NULL, (size_t)st.st_size);
	return fread(data, 1, forged->bytes.size, file) == forged->bytes.size &&
	       edited_take(&forged->image, (const unsigned char *)data, forged->bytes.size);
}

/* The record that a place begins with, and the rest of it. NULL: there is none. */
static struct edited_record *find(const struct edited_image *image, const char **place)
{
	size_t number = 0;
	size_t at;
	char tag[5];
	int used = 0;

	if (sscanf(*place, "%4[A-Z]%n", tag, &used) != 1)
		return NULL;
	*place += used;
	if (**place == '.')
		number = strtoul(*place + 1, (char **)place, 10);
	at = edited_find(image, tag, number);
	return at == SIZE_MAX ? NULL : &image->records[at];
}

static int list(const struct edited_image *image)
{
	size_t offset = sizeof(struct image_header);

	for (size_t i = 0; i < image->count; i++) {
		const struct record_header *header = &image->records[i].header;
		uint32_t length = le32_get(header->length);

		offset += sizeof(*header);
		printf("%.4s %" PRIu32 " %zu %" PRIu32 "\n", (const char *)&header->tag,
		       le32_get(header->id), offset, length);
		offset += image_align(length, IMAGE_ALIGN);
	}
	return 0;
}

static int write_record(const struct edited_record *record, const char *dir)
{
	const struct record_header *header = &record->header;
	char path[4096];
	auto_fclose FILE *file = NULL;
	size_t length = le32_get(header->length);

	if (length > RECORD_MAX)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%.4s-%016" PRIx64, dir, (const char *)&header->tag,
		       le64_get(header->checksum));
	file = fopen(path, "we");
	if (!file || fwrite(&header->tag, 1, 4, file) != 4 ||
	    fwrite(record->body, 1, length, file) != length)
		return 2;
	return 0;
}

static int write_records(const struct edited_image *image, const char *dir)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->count; i++)
		r = write_record(&image->records[i], dir);
	return r;
}

/* Its place stays taken: the page stream does not move. */
static void leave_out(struct edited_record *record)
{
	record->header.tag = le32_make(TAG('G', 'O', 'N', 'E'));
	record->header.flags = le16_make(0);
}

static int write_text(unsigned char *place, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length > size)
		return -1;
	memset(place, '/', size - length);
	memcpy(place + size - length, text, length);
	return 0;
}

static int apply(const struct edited_image *image, const char *edit)
{
	struct edited_record *record = find(image, &edit);
	unsigned char *place;
	size_t offset;
	size_t size;
	uint64_t value;
	int used = 0;

	if (!record)
		return -1;
	if (strcmp(edit, "-") == 0) {
		leave_out(record);
		return 0;
	}
	if (sscanf(edit, "+%zu:%zu=%n", &offset, &size, &used) != 2 ||
	    offset + size > le32_get(record->header.length))
		return -1;
	place = record->body + offset;
	if (edit[used] == '@')
		return write_text(place, size, edit + used + 1);
	value = strtoull(edit + used, NULL, 0);
	if (size > sizeof(value))
		return -1;
	memcpy(place, &value, size);
	return 0;
}

static int edit(struct forged *forged, const char *out, char **edits)
{
	auto_fclose FILE *file = fopen(out, "we");
	auto_buf struct buf metadata = BUF_EMPTY;
	struct buf *bytes = &forged->bytes;

	for (; *edits; edits++) {
		if (apply(&forged->image, *edits) < 0) {
			fprintf(stderr, "forge: %s: no such place\n", *edits);
			return 2;
		}
	}
	edited_make(&forged->image, &metadata);
	memcpy(bytes->data, metadata.data, metadata.size);
	image_mend(bytes->data, bytes->size);
	if (!file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size)
		return 2;
	return 0;
}

static int get(const struct edited_image *image, const char *place)
{
	const struct edited_record *record = find(image, &place);
	size_t offset;
	le32 value;

	if (!record || sscanf(place, "+%zu:4", &offset) != 1 ||
	    offset + sizeof(value) > le32_get(record->header.length))
		return 2;
	memcpy(&value, record->body + offset, sizeof(value));
	printf("%" PRIu32 "\n", le32_get(value));
	return 0;
}

static bool is_taken(const struct edited_image *image)
{
	auto_free char *verdict = edited_verdict(image);

	return verdict[0] == '\0';
}

static void sweep_word(const struct edited_image *image, unsigned char *word, const char *place,
		       size_t size)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		0x7f,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x1000,
		0x7ffffffff000,
		0x800000000000,
		0x4000000000000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffff888000000000,
		0xffffffffff600000,
		UINT64_MAX,
	};
	unsigned char saved[8];

	memcpy(saved, word, size);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if ((size == 4 && values[i] > UINT32_MAX) || memcmp(saved, &values[i], size) == 0)
			continue;
		memcpy(word, &values[i], size);
		if (is_taken(image))
			printf("%s:%zu=%#" PRIx64 "\n", place, size, values[i]);
	}
	memcpy(word, saved, size);
}

static size_t number_of(const struct edited_image *image, size_t at)
{
	size_t number = 0;

	for (size_t i = 0; i < at; i++)
		number +=
		    memcmp(&image->records[i].header.tag, &image->records[at].header.tag, 4) == 0;
	return number;
}

static int sweep(const struct edited_image *image)
{
	for (size_t i = 0; i < image->count; i++) {
		const struct edited_record *record = &image->records[i];
		size_t length = le32_get(record->header.length);

		for (size_t at = 0; at + 4 <= length && at < 4 * SWEEP_WORDS; at += 4) {
			char place[64];

			(void)snprintf(place, sizeof(place), "%.4s.%zu+%zu",
				       (const char *)&record->header.tag, number_of(image, i), at);
			sweep_word(image, record->body + at, place, 4);
			if (at % 8 == 0 && at + 8 <= length)
				sweep_word(image, record->body + at, place, 8);
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct forged forged = { .image = EDITED_IMAGE_NONE };
	struct edited_image *image = &forged.image;
	int r = 2;

	if (argc < 3 || !load(argv[2], &forged))
		fprintf(stderr, "usage: forge list|sweep IMAGE, forge records IMAGE DIR, "
				"forge edit IMAGE OUT EDIT...\n");
	else if (strcmp(argv[1], "list") == 0)
		r = list(image);
	else if (strcmp(argv[1], "sweep") == 0)
		r = sweep(image);
	else if (strcmp(argv[1], "records") == 0 && argc == 4)
		r = write_records(image, argv[3]);
	else if (strcmp(argv[1], "get") == 0 && argc == 4)
		r = get(image, argv[3]);
	else if (strcmp(argv[1], "edit") == 0 && argc > 3)
		r = edit(&forged, argv[3], argv + 4);
	edited_free(image);
	buf_free(&forged.bytes);
	return r;
}
