/* Forges images: real ones with a few bytes altered and all checksums made right again.
 *
 *   forge list IMAGE                        one line a record: tag, id, offset and size of its body
 *   forge get IMAGE PLACE                   the 4 bytes there, as a number
 *   forge edit IMAGE OUT PLACE=VALUE...     writes OUT; PLACE is TAG[.N]+OFFSET:BYTES: the Nth
 *                                           record (from 0) with this tag; or TAG[.N]-, which
 *                                           makes it one that readers leave out
 *                                           PLACE=@TEXT writes a text instead, BYTES at most,
 *                                           with slashes in front that fill the rest
 *   forge records IMAGE DIR                 writes each record's tag and body to a file of its own,
 * as fuzz_kinds takes them; those up to 64 KiB forge sweep IMAGE                       alters
 * every word to values that hurt, and lists, as PLACE=VALUE, those that the reader takes for sound
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "image/format.h"
#include "image/image.h"
#include "image/mend.h"

enum {
	SWEEP_WORDS = 64, /* in one record: the first ones */
	RECORD_MAX = 65536,
};

struct bytes {
	unsigned char *data; /* owned */
	size_t size;
};

static int load(const char *path, struct bytes *bytes)
{
	auto_fclose FILE *file = fopen(path, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0)
		return -1;
	bytes->size = (size_t)st.st_size;
	bytes->data = malloc(bytes->size);
	return fread(bytes->data, 1, bytes->size, file) == bytes->size ? 0 : -1;
}

/* The place of record `number` among those with this tag; "" stands for any. */
static const struct record_header *find(const struct bytes *bytes, const char *tag, size_t number)
{
	size_t offset = sizeof(struct image_header);

	while (bytes->size - offset >= sizeof(struct record_header)) {
		const struct record_header *header = (const void *)(bytes->data + offset);
		uint32_t value = le32_get(header->tag);

		if (value == TAG_METADATA_END)
			return NULL;
		if ((tag[0] == '\0' || memcmp(&value, tag, 4) == 0) && number-- == 0)
			return header;
		offset += sizeof(*header) + image_align(le32_get(header->length), IMAGE_ALIGN);
	}
	return NULL;
}

static int list(const struct bytes *bytes)
{
	const struct record_header *header;

	for (size_t i = 0; (header = find(bytes, "", i)); i++)
		printf("%.4s %" PRIu32 " %td %" PRIu32 "\n", (const char *)&header->tag,
		       le32_get(header->id), (const unsigned char *)(header + 1) - bytes->data,
		       le32_get(header->length));
	return 0;
}

static int write_record(const struct record_header *header, const char *dir)
{
	char path[4096];
	auto_fclose FILE *file = NULL;
	size_t length = le32_get(header->length);

	if (length > RECORD_MAX)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%.4s-%016" PRIx64, dir, (const char *)&header->tag,
		       le64_get(header->checksum));
	file = fopen(path, "we");
	if (!file || fwrite(&header->tag, 1, 4, file) != 4 ||
	    fwrite(header + 1, 1, length, file) != length)
		return 2;
	return 0;
}

static int write_records(const struct bytes *bytes, const char *dir)
{
	const struct record_header *header;
	int r = 0;

	for (size_t i = 0; r == 0 && (header = find(bytes, "", i)); i++)
		r = write_record(header, dir);
	return r;
}

static int leave_out(const struct bytes *bytes, const struct record_header *found)
{
	struct record_header *header;

	if (!found)
		return -1;
	header = (void *)(bytes->data + ((const unsigned char *)found - bytes->data));
	header->tag = le32_make(TAG('G', 'O', 'N', 'E'));
	header->flags = le16_make(0);
	return 0;
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

static int apply(struct bytes *bytes, const char *edit)
{
	const struct record_header *header;
	unsigned char *place;
	size_t number = 0;
	size_t offset;
	size_t size;
	uint64_t value;
	char tag[5];
	int used = 0;

	if (sscanf(edit, "%4[A-Z]%n", tag, &used) != 1)
		return -1;
	edit += used;
	if (*edit == '.')
		number = strtoul(edit + 1, (char **)&edit, 10);
	header = find(bytes, tag, number);
	if (strcmp(edit, "-") == 0)
		return leave_out(bytes, header);
	if (!header || sscanf(edit, "+%zu:%zu=%n", &offset, &size, &used) != 2 ||
	    offset + size > le32_get(header->length))
		return -1;
	place = bytes->data + ((const unsigned char *)(header + 1) - bytes->data) + offset;
	if (edit[used] == '@')
		return write_text(place, size, edit + used + 1);
	value = strtoull(edit + used, NULL, 0);
	if (size > sizeof(value))
		return -1;
	memcpy(place, &value, size);
	return 0;
}

static int edit(struct bytes *bytes, const char *out, char **edits)
{
	auto_fclose FILE *file = fopen(out, "we");

	for (; *edits; edits++) {
		if (apply(bytes, *edits) < 0) {
			fprintf(stderr, "forge: %s: no such place\n", *edits);
			return 2;
		}
	}
	image_mend(bytes->data, bytes->size);
	if (!file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size)
		return 2;
	return 0;
}

static int get(const struct bytes *bytes, const char *place)
{
	const struct record_header *header;
	size_t number = 0;
	size_t offset;
	char tag[5];
	int used = 0;

	if (sscanf(place, "%4[A-Z]%n", tag, &used) != 1)
		return 2;
	place += used;
	if (*place == '.')
		number = strtoul(place + 1, (char **)&place, 10);
	if (sscanf(place, "+%zu:4", &offset) != 1)
		return 2;
	header = find(bytes, tag, number);
	if (!header || offset + 4 > le32_get(header->length))
		return 2;
	printf("%" PRIu32 "\n", le32_get(*(const le32 *)((const char *)(header + 1) + offset)));
	return 0;
}

static bool is_taken(struct bytes *bytes)
{
	auto_image struct image *image = NULL;
	struct err err = ERR_NONE;

	image_mend(bytes->data, bytes->size);
	return image_parse(bytes->data, bytes->size, &image_default_limits, &image, &err) == 0;
}

static void sweep_word(struct bytes *metadata, const char *place, size_t offset, size_t size)
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

	memcpy(saved, metadata->data + offset, size);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if ((size == 4 && values[i] > UINT32_MAX) || memcmp(saved, &values[i], size) == 0)
			continue;
		memcpy(metadata->data + offset, &values[i], size);
		if (is_taken(metadata))
			printf("%s:%zu=%#" PRIx64 "\n", place, size, values[i]);
	}
	memcpy(metadata->data + offset, saved, size);
}

static size_t number_of(const struct bytes *bytes, const struct record_header *header)
{
	char tag[5] = "";
	size_t number = 0;

	memcpy(tag, &header->tag, 4);
	while (find(bytes, tag, number) != header)
		number++;
	return number;
}

static int sweep(struct bytes *bytes)
{
	const struct image_header *start = (const void *)bytes->data;
	const struct record_header *header;
	struct bytes metadata = { .size = le64_get(start->metadata_size) };

	metadata.data = malloc(metadata.size);
	memcpy(metadata.data, bytes->data, metadata.size);
	for (size_t i = 0; (header = find(&metadata, "", i)); i++) {
		size_t body = (size_t)((unsigned char *)(header + 1) - metadata.data);

		for (size_t at = 0; at + 4 <= le32_get(header->length) && at < 4 * SWEEP_WORDS;
		     at += 4) {
			char place[64];

			(void)snprintf(place, sizeof(place), "%.4s.%zu+%zu",
				       (const char *)&header->tag, number_of(&metadata, header),
				       at);
			sweep_word(&metadata, place, body + at, 4);
			if (at % 8 == 0 && at + 8 <= le32_get(header->length))
				sweep_word(&metadata, place, body + at, 8);
		}
	}
	free(metadata.data);
	return 0;
}

int main(int argc, char **argv)
{
	struct bytes bytes = { .size = 0 };
	int r = 2;

	if (argc < 3 || load(argv[2], &bytes) < 0)
		fprintf(stderr, "usage: forge list|sweep IMAGE, forge records IMAGE DIR, "
				"forge edit IMAGE OUT EDIT...\n");
	else if (strcmp(argv[1], "list") == 0)
		r = list(&bytes);
	else if (strcmp(argv[1], "sweep") == 0)
		r = sweep(&bytes);
	else if (strcmp(argv[1], "records") == 0 && argc == 4)
		r = write_records(&bytes, argv[3]);
	else if (strcmp(argv[1], "get") == 0 && argc == 4)
		r = get(&bytes, argv[3]);
	else if (strcmp(argv[1], "edit") == 0 && argc > 3)
		r = edit(&bytes, argv[3], argv + 4);
	free(bytes.data);
	return r;
}
