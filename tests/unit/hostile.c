/* Hostile images: tests/hostile has a case for each reason that the reader has to refuse one; it
 * must still say the same. How they were found: tests/fuzz/hunt.c. */
#include <dirent.h>

#include "core/cleanup.h"
#include "hostile.h"
#include "unit.h"

static void tell(struct unit *unit, const char *what, const char *wanted, const char *said)
{
	unit->has_failed = true;
	printf("not ok %s: %s: \"%s\" instead of \"%s\"\n", unit->name, what, said, wanted);
}

/* What nobody has altered is taken. */
static void images_are_sound(struct unit *unit)
{
	auto_free char *path = hostile_path("images");
	auto_closedir DIR *list = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	while (list && (entry = readdir(list))) {
		auto_edited struct edited_image image = EDITED_IMAGE_NONE;
		auto_free char *verdict = NULL;

		if (entry->d_name[0] == '.')
			continue;
		verdict = hostile_load(entry->d_name, &image) ? edited_verdict(&image)
							      : mem_string("lost");
		if (verdict[0] != '\0')
			tell(unit, entry->d_name, "", verdict);
		count++;
	}
	EXPECT(unit, count > 0);
}

/* IMAGE, edits and words, between tabs. */
static void try_case(struct unit *unit, char *line)
{
	char *rest = NULL;
	const char *name = strtok_r(line, "\t", &rest);
	const char *edits = strtok_r(NULL, "\t", &rest);
	const char *words = strtok_r(NULL, "\n", &rest);
	auto_edited struct edited_image image = EDITED_IMAGE_NONE;
	auto_free char *verdict = NULL;

	if (!words || !hostile_load(name, &image) || !edited_apply_all(&image, edits)) {
		tell(unit, name ? name : "a line", edits ? edits : "", "no such case");
		return;
	}
	verdict = edited_verdict(&image);
	if (strcmp(verdict[0] ? verdict : EDITED_SOUND, words) != 0)
		tell(unit, edits, words, verdict);
}

static void every_case_is_refused(struct unit *unit)
{
	auto_free char *path = hostile_path("cases");
	auto_fclose FILE *file = fopen(path, "re");
	auto_free char *line = NULL;
	size_t room = 0, count = 0;

	while (file && getline(&line, &room, file) > 0) {
		try_case(unit, line);
		count++;
	}
	EXPECT(unit, count > 0);
}

int main(void)
{
	static const struct unit_case cases[] = {
		UNIT_CASE(images_are_sound),
		UNIT_CASE(every_case_is_refused),
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
