/* Looks for what the reader must refuse, one image for each of its reasons.
 *
 *   hunt pack IMAGE OUT            the metadata of an image, as tests/hostile keeps them
 *   hunt list DIR                  the records of the images in DIR, and what is in them
 *   hunt try DIR CASES             what the reader says of each case; fails if it is not what the
 *                                  case says
 *   hunt score DIR CASES           the numbers of the checks without which a case would end
 *                                  otherwise, in such a build
 *   hunt find SECONDS DIR CASES    alters the images in DIR at random, and appends to CASES what is
 *                                  refused for a reason that none of them has
 *   hunt sweep DIR CASES TAG...    the same, with every word of every record with such a tag
 *   hunt add DIR CASES             the same, with lines of standard input: the image's name, a tab,
 *                                  and edits; says what became of the others
 *
 * A case is a line: the image's name, edits (see records.h), and the words of the refusal, between
 * tabs; "nothing", if it must be taken. In a build made by tools/mutate, every check is a reason.
 */
#include <time.h>

#include "hunt.h"

/* ---- chance ---- */

static const uint64_t telling_values[] = {
	0,
	1,
	2,
	3,
	4,
	7,
	8,
	15,
	16,
	31,
	32,
	63,
	64,
	65,
	127,
	128,
	255,
	256,
	4095,
	4096,
	4097,
	0x7fff,
	0x8000,
	0xffff,
	0x10000,
	1u << 20,
	1u << 22,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	1000000000,
	0x100000000,
	0x7ffffffff000,
	0x800000000000,
	0x4000000000000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	UINT64_MAX,
	UINT64_MAX - 4095,
};

static uint64_t value_near(struct hunt *hunt, const struct edited_image *image, uint64_t old)
{
	const struct edited_record *other;

	switch (chance(hunt, 8)) {
	case 0:
	case 1:
		return telling_values[chance(hunt,
					     sizeof(telling_values) / sizeof(*telling_values))];
	case 2:
		return old + 1 + chance(hunt, 8);
	case 3:
		return old - 1 - chance(hunt, 8);
	case 4:
		return old ^ 1ull << chance(hunt, 64);
	case 5:
		other = &image->records[chance(hunt, image->count)];
		return le32_get(other->header.id);
	case 6:
		return chance(hunt, 70);
	default:
		return chance(hunt, 0x100) | chance(hunt, 0x100) << 8 * chance(hunt, 8);
	}
}

static void mutate_body(struct hunt *hunt, const struct edited_image *image,
			const struct edited_record *record, const char *place, struct buf *edits)
{
	static const unsigned int sizes[] = { 4, 4, 4, 8, 8, 2, 1 };
	uint32_t length = le32_get(record->header.length);
	size_t size = sizes[chance(hunt, sizeof(sizes) / sizeof(sizes[0]))];
	size_t room = length / size;
	/* The heads of records are where most of the sense is. */
	size_t at = chance(hunt, room > 16 && chance(hunt, 3) ? 16 : room) * size;
	uint64_t old = 0;

	if (room == 0)
		return;
	memcpy(&old, record->body + at, size);
	buf_printf(edits, "%s+%zu:%zu=%" PRIu64, place, at, size, value_near(hunt, image, old));
}

static void mutate_length(struct hunt *hunt, const struct edited_record *record, const char *place,
			  struct buf *edits)
{
	uint32_t length = le32_get(record->header.length);
	uint32_t change = (uint32_t)(chance(hunt, 2) ? chance(hunt, 64) : 4 * chance(hunt, 64));

	if (chance(hunt, 4) == 0)
		length = (uint32_t)chance(hunt, length);
	else
		length = chance(hunt, 2) && length >= change ? length - change : length + change;
	buf_printf(edits, "%s~%u", place, length);
}

/* Each tag as often as the others, however many records have it. */
static size_t choose_record(struct hunt *hunt, const struct edited_image *image, size_t *ret_number)
{
	for (;;) {
		size_t at = chance(hunt, image->count), before = 0, all = 0;

		for (size_t i = 0; i < image->count; i++) {
			bool is_alike = memcmp(&image->records[i].header.tag,
					       &image->records[at].header.tag, 4) == 0;

			before += is_alike && i < at;
			all += is_alike;
		}
		*ret_number = before;
		if (chance(hunt, all) == 0)
			return at;
	}
}

static void mutate(struct hunt *hunt, const struct edited_image *image, struct buf *edits)
{
	size_t number;
	const struct edited_record *record = &image->records[choose_record(hunt, image, &number)];
	char place[32], tag[5] = "";

	memcpy(tag, &record->header.tag, 4);
	(void)snprintf(place, sizeof(place), "%s.%zu", tag, number);
	if (edits->size > 0)
		(void)buf_append(edits, " ", 1);
	switch (chance(hunt, 16)) {
	case 0:
		buf_printf(edits, "%s-", place);
		break;
	case 1:
		buf_printf(edits, "%s*", place);
		break;
	case 2:
		buf_printf(edits, "%s@%" PRIu64, place,
			   value_near(hunt, image, le32_get(record->header.id)) & UINT32_MAX);
		break;
	case 3:
	case 4:
		mutate_length(hunt, record, place, edits);
		break;
	default:
		mutate_body(hunt, image, record, place, edits);
	}
}

static void find_more(struct hunt *hunt, time_t seconds)
{
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		const struct base *base = &hunt->bases[chance(hunt, hunt->base_count)];

		for (int i = 0; i < 200; i++) {
			auto_buf struct buf edits = BUF_EMPTY;
			auto_free char *verdict = NULL;

			for (uint64_t n = 1 + (chance(hunt, 3) == 0) * chance(hunt, 3); n > 0; n--)
				mutate(hunt, &base->image, &edits);
			if (edits.size > 0)
				(void)attempt(hunt, base, edits.data, false, &verdict);
		}
	}
}

/* ---- every word ---- */

static void sweep_place(struct hunt *hunt, const struct base *base, const char *place,
			const struct edited_record *record, size_t at, size_t size)
{
	const size_t count = sizeof(telling_values) / sizeof(*telling_values);
	const uint64_t most = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
	uint64_t old = 0;

	memcpy(&old, record->body + at, size);
	for (size_t i = 0; i < count + 16 + 8 * size + base->image.count; i++) {
		auto_free char *edit = NULL, *verdict = NULL;
		uint64_t value;

		if (i < count)
			value = telling_values[i];
		else if (i < count + 16)
			value = old + (i - count + 1) / 2 * (i % 2 ? 1 : UINT64_MAX);
		else if (i < count + 16 + 8 * size)
			value = old ^ 1ull << (i - count - 16);
		else
			value = le32_get(base->image.records[i - count - 16 - 8 * size].header.id);
		/* Bytes and halves of words are no ids. */
		if (value > most || (size < 4 && i >= count + 16 + 8 * size))
			continue;
		edit = mem_printf("%s+%zu:%zu=%" PRIu64, place, at, size, value);
		(void)attempt(hunt, base, edit, false, &verdict);
	}
}

static void sweep_record(struct hunt *hunt, const struct base *base, const char *place,
			 const struct edited_record *record)
{
	static const uint32_t more[] = {
		1,    2,    4,	  8,	 12,	16,	   20,	     24,       28,
		32,   36,   40,	  48,	 56,	64,	   128,	     256,      512,
		1024, 4096, 8192, 16384, 65536, 65536 * 4, 1u << 20, 1u << 22, 1u << 23,
	};
	static const char *const whole[] = { "-", "*", "^", "~0", "@0", "@1", "@4294967295" };
	uint32_t length = le32_get(record->header.length);

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		auto_free char *edit = mem_printf("%s%s", place, whole[i]), *verdict = NULL;

		(void)attempt(hunt, base, edit, false, &verdict);
	}
	for (size_t i = 0; i < 2 * sizeof(more) / sizeof(*more); i++) {
		uint32_t change = more[i / 2];
		auto_free char *edit = NULL, *verdict = NULL;

		if (i % 2 && change > length)
			continue;
		edit = mem_printf("%s~%u", place, i % 2 ? length - change : length + change);
		(void)attempt(hunt, base, edit, false, &verdict);
	}
	for (size_t at = 0; at < length && at < 256; at++) {
		for (size_t size = 1; size <= 8; size *= 2) {
			if (at % (size < 4 ? size : 4) == 0 && size <= length - at)
				sweep_place(hunt, base, place, record, at, size);
		}
	}
}

static bool is_alike(const struct edited_record *one, const struct edited_record *other)
{
	uint32_t length = le32_get(one->header.length);

	return length == le32_get(other->header.length) &&
	       memcmp(one->body, other->body, length) == 0;
}

/* Has an earlier image such a record? */
static bool is_known(const struct hunt *hunt, size_t before, const char *tag,
		     const struct edited_record *record)
{
	for (size_t b = 0; b < before; b++) {
		const struct edited_image *image = &hunt->bases[b].image;

		for (size_t number = 0; number < 2; number++) {
			size_t at = edited_find(image, tag, number);

			if (at != SIZE_MAX && is_alike(&image->records[at], record))
				return true;
		}
	}
	return false;
}

/* The first two of a tag in each image. */
static void sweep(struct hunt *hunt, const char *tag)
{
	for (size_t b = 0; b < hunt->base_count; b++) {
		const struct base *base = &hunt->bases[b];

		for (size_t number = 0; number < 2; number++) {
			auto_free char *place = mem_printf("%s.%zu", tag, number);
			size_t at = edited_find(&base->image, tag, number);

			if (at != SIZE_MAX && !is_known(hunt, b, tag, &base->image.records[at]))
				sweep_record(hunt, base, place, &base->image.records[at]);
		}
	}
}

/* "IMAGE<TAB>edits" */
static void add_line(struct hunt *hunt, char *line)
{
	char *edits = strchr(line, '\t');
	auto_free char *verdict = NULL;
	const struct base *base;

	line[strcspn(line, "\n")] = '\0';
	if (edits)
		*edits++ = '\0';
	base = edits ? find_base(hunt, line) : NULL;
	if (!base)
		(void)printf("no such image: %s\n", line);
	else if (!attempt(hunt, base, edits, true, &verdict))
		(void)printf("nothing new: %s %s: %s\n", line, edits,
			     verdict ? verdict : "no such place");
}

static void add_lines(struct hunt *hunt)
{
	auto_free char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0)
		add_line(hunt, line);
}

static void list(const struct hunt *hunt)
{
	for (size_t b = 0; b < hunt->base_count; b++) {
		const struct edited_image *image = &hunt->bases[b].image;

		for (size_t i = 0; i < image->count; i++) {
			const struct edited_record *record = &image->records[i];
			uint32_t length = le32_get(record->header.length);

			(void)printf(
			    "%s %.4s id %" PRIu32 " %" PRIu32 " bytes:", hunt->bases[b].name,
			    (const char *)&record->header.tag, le32_get(record->header.id), length);
			for (uint32_t at = 0; at < length && at < 160; at++)
				(void)printf("%s%02x", at % 4 ? "" : " ", record->body[at]);
			(void)printf("\n");
		}
	}
}

/* ---- cases ---- */

static bool try_case(struct hunt *hunt, char *line)
{
	char *edits = strchr(line, '\t');
	char *words = edits ? strchr(edits + 1, '\t') : NULL;
	auto_edited struct edited_image image = EDITED_IMAGE_NONE;
	auto_free char *verdict = NULL;
	const struct base *base;

	if (!words)
		return false;
	*edits++ = '\0';
	*words++ = '\0';
	words[strcspn(words, "\n")] = '\0';
	base = find_base(hunt, line);
	if (!base)
		return false;
	edited_copy(&image, &base->image);
	if (!edited_apply_all(&image, edits))
		return false;
	(void)judge(hunt, &image, true, &verdict);
	if (verdict && strcmp(verdict[0] ? verdict : EDITED_SOUND, words) == 0)
		return true;
	(void)printf("%s\t%s\n  expected: %s\n  says:     %s\n", line, edits, words,
		     verdict ? verdict : "");
	return false;
}

/* Without some checks, what is sound is refused. */
static void judge_sound(struct hunt *hunt)
{
	for (size_t i = 0; CHECKS_MAX > 1 && i < hunt->base_count; i++) {
		memset(checks_fired, 0, CHECKS_MAX);
		free(edited_verdict(&hunt->bases[i].image));
		(void)add_checks(hunt, &hunt->bases[i].image, "");
	}
}

static int try_all(struct hunt *hunt, const char *path)
{
	auto_fclose FILE *file = fopen(path, "re");
	auto_free char *line = NULL;
	size_t room = 0, count = 0, bad = 0;

	judge_sound(hunt);
	while (file && getline(&line, &room, file) > 0) {
		count++;
		bad += !try_case(hunt, line);
	}
	(void)fprintf(stderr, "%zu cases, %zu bad\n", count, bad);
	return count > 0 && bad == 0 ? 0 : 1;
}

static int score(struct hunt *hunt, const char *path)
{
	int r = try_all(hunt, path);

	for (int i = 0; i < CHECKS_MAX; i++) {
		if (hunt->is_met[i])
			(void)printf("%d\n", i);
	}
	return r;
}

static int pack(const char *from, const char *out)
{
	auto_edited struct edited_image image = EDITED_IMAGE_NONE;
	auto_fclose FILE *file = fopen(from, "re");
	auto_buf struct buf data = BUF_EMPTY;
	char piece[65536];
	size_t got;

	while (file && data.size < EDITED_LENGTH_MAX &&
	       (got = fread(piece, 1, sizeof(piece), file)) > 0)
		(void)buf_append(&data, piece, got);
	if (!edited_take(&image, (const unsigned char *)data.data, data.size))
		return 2;
	/* There is no page stream: content would have to come from somewhere. */
	return edited_save(&image, out) ? 0 : 2;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: hunt pack IMAGE OUT | list DIR | try|score|add DIR CASES | "
			      "find SECONDS DIR CASES | sweep DIR CASES TAG...\n");
	return 2;
}

/* What appends to the cases. */
static int search(struct hunt *hunt, const char *how, const char *path, char **words)
{
	hunt->cases = fopen(path, "ae");
	if (!hunt->cases)
		return 2;
	(void)try_all(hunt, path);
	if (strcmp(how, "add") == 0)
		add_lines(hunt);
	else if (strcmp(how, "find") == 0)
		find_more(hunt, strtol(words[0], NULL, 10));
	for (; strcmp(how, "sweep") == 0 && *words; words++)
		sweep(hunt, *words);
	return fclose(hunt->cases) == 0 ? 0 : 2;
}

int main(int argc, char **argv)
{
	struct hunt *hunt = mem_alloc(1, sizeof(*hunt));
	const char *how = argc > 2 ? argv[1] : "";
	/* find has its seconds before the images. */
	int at = strcmp(how, "find") == 0 ? 3 : 2;

	hunt->random = 0x9e3779b97f4a7c15ull ^ (uint64_t)time(NULL) << 20;
	if (argc == 4 && strcmp(how, "pack") == 0)
		return pack(argv[2], argv[3]);
	if (argc <= at || load_bases(hunt, argv[at]) != 0)
		return usage();
	if (argc == 3 && strcmp(how, "list") == 0) {
		list(hunt);
		return 0;
	}
	if (argc == 4 && strcmp(how, "try") == 0)
		return try_all(hunt, argv[3]);
	if (argc == 4 && strcmp(how, "score") == 0)
		return score(hunt, argv[3]);
	if (argc == at + 2 && (strcmp(how, "add") == 0 || strcmp(how, "find") == 0))
		return search(hunt, how, argv[at + 1], argv + 2);
	if (argc > 4 && strcmp(how, "sweep") == 0)
		return search(hunt, how, argv[3], argv + 4);
	return usage();
}
