/* Limits of images: what an enemy could make large. */
#include "image/limits.h"

#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "core/scan.h"

const struct image_limits image_default_limits = {
	.most = {
		[LIMIT_METADATA] = 1ull << 30,
		[LIMIT_PAGES] = 1ull << 40,
		[LIMIT_RATIO] = IMAGE_RATIO,
		[LIMIT_RECORDS] = 1u << 22,
		[LIMIT_TASKS] = 1u << 15,
		[LIMIT_MAPPINGS] = 1u << 20,
		[LIMIT_DESCRIPTORS] = 1u << 20,
	},
};

static const struct {
	const char *name; /* as users write it */
	const char *what;
	bool has_unit; /* bytes: K, M, G or T may follow */
} rows[LIMIT_COUNT] = {
	[LIMIT_METADATA] = { "metadata", "bytes of metadata", true },
	[LIMIT_PAGES] = { "pages", "bytes of pages", true },
	[LIMIT_RATIO] = { "ratio", "bytes of pages for each that is stored", false },
	[LIMIT_RECORDS] = { "records", "records", false },
	[LIMIT_TASKS] = { "tasks", "tasks", false },
	[LIMIT_MAPPINGS] = { "mappings", "mappings", false },
	[LIMIT_DESCRIPTORS] = { "descriptors", "descriptors", false },
};

struct image_limits image_limits_of_host(void)
{
	struct image_limits limits = image_default_limits;
	struct sysinfo info;

	if (sysinfo(&info) == 0)
		limits.most[LIMIT_PAGES] =
		    ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
	return limits;
}

int image_limit_check(const struct image_limits *limits, enum image_limit limit, uint64_t value,
		      struct err *err)
{
	if (value <= limits->most[limit])
		return 0;
	(void)err_set(err, ERR_REFUSED, "%" PRIu64 " %s are more than the limit of %" PRIu64, value,
		      rows[limit].what, limits->most[limit]);
	return err_hint(err, "where that is meant: --limit %s=%" PRIu64, rows[limit].name, value);
}

static bool scan_value(const char *at, bool has_unit, uint64_t *ret_value)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned int shift = 0;

	if (!scan_number(&at, 10, UINT64_MAX, ret_value) || *ret_value == 0)
		return false;
	unit = *at != '\0' && has_unit ? strchr(units, *at) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		at++;
	}
	if (*at != '\0' || *ret_value > UINT64_MAX >> shift)
		return false;
	*ret_value <<= shift;
	return true;
}

int image_limits_parse(const char *text, struct image_limits *limits, struct err *err)
{
	size_t length = strcspn(text, "=");

	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		uint64_t value;

		if (strlen(rows[i].name) != length || strncmp(rows[i].name, text, length) != 0)
			continue;
		if (text[length] == '\0' ||
		    !scan_value(text + length + 1, rows[i].has_unit, &value))
			return err_set(err, ERR_USAGE, "limit %s: not a positive number", text);
		limits->most[i] = value;
		return 0;
	}
	(void)err_set(err, ERR_USAGE, "limit %s is not known", text);
	return err_hint(err, "it can be metadata, pages, ratio, records, tasks, mappings, "
			     "descriptors, each with =NUMBER");
}
