/* Mounts of an image: what lies behind the reader's checks. */
#include "core/cleanup.h"
#include "hostile.h"
#include "kind/support/mapfile_dump.h"
#include "kind/support/mount_make.h"
#include "kind/support/mount_place.h"
#include "unit.h"

static void circles(struct unit *unit)
{
	struct mount_entry entries[] = { { .group = 1, .master = 2 }, { .group = 2, .master = 1 } };
	const struct mount_list list = { .entries = entries, .count = 2 };
	const int roots[] = { -1, -1 };
	struct err err = ERR_NONE;

	EXPECT(unit, mount_set_propagation(&list, roots, &err) == ERR_DAMAGED);
	EXPECT_TEXT(unit, err.text, "mounts: masters in a circle");
}

static void names(struct unit *unit)
{
	auto_edited struct edited_image edited = EDITED_IMAGE_NONE;
	auto_image struct image *image = NULL;
	auto_buf struct buf data = BUF_EMPTY;
	struct err err = ERR_NONE;

	if (!EXPECT(unit,
		    hostile_load("pipe-1.zst", &edited) && edited_apply_all(&edited, "NMNT.0-")))
		return;
	edited_make(&edited, &data);
	(void)image_parse(data.data, data.size, &image_default_limits, &image, &err);
	EXPECT_TEXT(unit, err.text, "");
	if (image)
		EXPECT(unit, !mount_is_named(image, "/data"));
}

/* The byte in front of a short name is none of it. */
static void marks(struct unit *unit)
{
	static const char name[] = "gone (deleted)";

	EXPECT(unit, mapfile_is_deleted(name));
	EXPECT(unit, mapfile_is_deleted(name + 4));
	EXPECT(unit, !mapfile_is_deleted(name + 5));
	EXPECT(unit, !mapfile_is_deleted("gone (deleted) "));
}

static const struct unit_case cases[] = {
	UNIT_CASE(circles),
	UNIT_CASE(names),
	UNIT_CASE(marks),
};

int main(void)
{
	return UNIT_RUN(cases);
}
