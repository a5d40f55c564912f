/* damage IMAGE: alters a whole image in every way that fits into a moment, and expects the reader
 * to call each one damaged. One line a way, in TAP. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "image/image.h"
#include "image/mend.h"
#include "reading.h"

enum { PAGES_STEP = 4099 }; /* between flips in the page stream: a prime */

struct subject {
	unsigned char *whole; /* owned: the image as it was made */
	size_t size;
	size_t metadata;	/* bytes before the page stream */
	size_t tail;		/* offset of index and trailer */
	unsigned char *altered; /* owned: as large */
};

static int parse(const void *data, size_t size, struct err *err)
{
	auto_image struct image *image = NULL;

	return image_parse(data, size, &image_default_limits, &image, err);
}

/* As verify reads it: from a file, with its pages. */
static int verify(const void *data, size_t size, struct err *err)
{
	auto_close int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return err_set(err, -errno, "copy the image");
	return reading_whole(fd, data, size, false, err);
}

static bool says(const char *way, size_t position, int r, const struct err *err)
{
	if (r == ERR_DAMAGED)
		return true;
	printf("not ok damage: %s at %zu: %s\n", way, position, r == 0 ? "accepted" : err->text);
	return false;
}

static bool flip_metadata(struct subject *subject)
{
	for (size_t i = 0; i < subject->metadata; i++) {
		struct err err = ERR_NONE;
		int r;

		subject->altered[i] ^= 1u << i % 8;
		r = parse(subject->altered, subject->metadata, &err);
		if (r == 0) /* zeros before the page stream belong to the file */
			r = verify(subject->altered, subject->size, &err);
		subject->altered[i] ^= 1u << i % 8;
		if (!says("bit flipped", i, r, &err))
			return false;
	}
	return true;
}

static bool flip_pages(struct subject *subject)
{
	for (size_t i = subject->metadata; i < subject->size;
	     i += i < subject->tail ? PAGES_STEP : 1) {
		struct err err = ERR_NONE;
		int r;

		subject->altered[i] ^= 1u << i % 8;
		r = verify(subject->altered, subject->size, &err);
		subject->altered[i] ^= 1u << i % 8;
		if (!says("bit flipped", i, r, &err))
			return false;
	}
	return true;
}

static bool cut(struct subject *subject)
{
	for (size_t size = 0; size < subject->size;
	     size += size < subject->metadata || size >= subject->tail ? 1 : PAGES_STEP) {
		struct err err = ERR_NONE;
		int r = 0;

		if (size < subject->metadata)
			r = parse(subject->whole, size, &err);
		if (r == 0)
			r = verify(subject->whole, size, &err);
		if (!says("cut", size, r, &err))
			return false;
	}
	return true;
}

static bool lengthen(struct subject *subject)
{
	auto_free char *longer = calloc(1, subject->size + 4096);
	struct err err = ERR_NONE;

	memcpy(longer, subject->whole, subject->size);
	return says("a byte added", subject->size, verify(longer, subject->size + 1, &err), &err) &&
	       says("a page added", subject->size, verify(longer, subject->size + 4096, &err),
		    &err);
}

/* A forger sets the checksums right: the reader may believe what makes sense, but must end, with
 * a code of its own. */
static bool forge(struct subject *subject)
{
	for (size_t i = 0; i < subject->metadata; i++) {
		struct err err = ERR_NONE;
		int r;

		memcpy(subject->altered, subject->whole, subject->metadata);
		subject->altered[i] ^= 1u << i % 8;
		image_mend(subject->altered, subject->metadata);
		r = parse(subject->altered, subject->metadata, &err);
		if (r != 0 && r != ERR_REFUSED && !says("forged bit", i, r, &err))
			return false;
	}
	memcpy(subject->altered, subject->whole, subject->metadata);
	return true;
}

static int load(const char *path, struct subject *subject, struct err *err)
{
	auto_image struct image *image = NULL;
	auto_fclose FILE *file = fopen(path, "re");
	struct stat st;
	int r;

	if (!file || fstat(fileno(file), &st) < 0)
		return err_set(err, -errno, "open %s", path);
	subject->size = (size_t)st.st_size;
	subject->whole = malloc(subject->size);
	subject->altered = malloc(subject->size);
	if (fread(subject->whole, 1, subject->size, file) != subject->size)
		return err_set(err, -errno, "read %s", path);
	memcpy(subject->altered, subject->whole, subject->size);

	r = verify(subject->whole, subject->size, err);
	if (r < 0)
		return r;
	r = image_parse(subject->whole, subject->size, &image_default_limits, &image, err);
	if (r < 0)
		return r;
	subject->metadata = image->pages_offset;
	subject->tail = image->pages_offset + image->pages_size;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(struct subject *subject);
	} ways[] = {
		{ "every byte of metadata flipped", flip_metadata },
		{ "pages, index and trailer flipped", flip_pages },
		{ "every length cut", cut },
		{ "bytes added", lengthen },
		{ "forged metadata", forge },
	};
	struct subject subject = { .size = 0 };
	struct err err = ERR_NONE;
	bool is_fine = true;

	if (argc != 2 || load(argv[1], &subject, &err) < 0) {
		printf("not ok damage: %s\n", argc == 2 ? err.text : "usage: damage IMAGE");
		return 2;
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		bool is_way_fine = ways[i].run(&subject);

		if (is_way_fine)
			printf("ok damage: %s\n", ways[i].name);
		is_fine = is_fine && is_way_fine;
	}
	free(subject.whole);
	free(subject.altered);
	return is_fine ? 0 : 1;
}
