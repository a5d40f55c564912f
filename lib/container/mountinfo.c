/* What is mounted in a container, and which of it we make ourselves. See mountinfo.h. */
#include "container/mountinfo.h"

#include <stdlib.h>
#include <string.h>

#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"

/* ---- the parser ---- */

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* A field up to the next space or the end of the line, unescaped. Owned. NULL if it is empty. */
static char *take_field(const char **at)
{
	size_t length = strcspn(*at, " \n");
	char *field;
	char *out;

	if (length == 0)
		return NULL;
	field = mem_copy(*at, length);
	*at += length;
	(void)scan_char(at, ' ');
	out = field;
	for (const char *in = field; *in; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && is_octal(in[2]) &&
		    is_octal(in[3])) {
			*out = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
	return field;
}

static void parse_optional_field(const char *at, struct mountinfo *mount)
{
	uint64_t number;

	if (scan_text(&at, "shared:") && scan_number(&at, 10, UINT32_MAX, &number))
		mount->group = (uint32_t)number;
	else if (scan_text(&at, "master:") && scan_number(&at, 10, UINT32_MAX, &number))
		mount->master = (uint32_t)number;
	else if (scan_text(&at, "unbindable"))
		mount->is_unbindable = true;
}

/* "shared:1 master:2 ... - " */
static bool take_optional_fields(const char **at, struct mountinfo *mount)
{
	while (**at != '\0' && **at != '\n') {
		size_t length = strcspn(*at, " \n");
		bool is_end = length == 1 && **at == '-';

		parse_optional_field(*at, mount);
		*at += length;
		if (!scan_char(at, ' '))
			return false;
		if (is_end)
			return true;
	}
	return false;
}

static bool parse_line(const char *at, struct mountinfo *mount)
{
	uint64_t major;
	uint64_t minor;

	if (!scan_number(&at, 10, UINT64_MAX, &mount->id) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 10, UINT64_MAX, &mount->parent) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 10, UINT32_MAX, &major) || !scan_char(&at, ':') ||
	    !scan_number(&at, 10, UINT32_MAX, &minor) || !scan_char(&at, ' '))
		return false;
	mount->dev_major = (uint32_t)major;
	mount->dev_minor = (uint32_t)minor;
	mount->root = take_field(&at);
	mount->point = take_field(&at);
	mount->options = take_field(&at);
	if (!mount->root || !mount->point || !mount->options || !take_optional_fields(&at, mount))
		return false;
	mount->type = take_field(&at);
	/* The source may be empty: two spaces follow each other. */
	mount->source = *at == ' ' ? mem_string("") : take_field(&at);
	(void)scan_char(&at, ' ');
	mount->super = take_field(&at);
	return mount->type && mount->source && mount->super;
}

void mountinfo_free(struct mountinfo *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(mounts[i].root);
		free(mounts[i].point);
		free(mounts[i].options);
		free(mounts[i].type);
		free(mounts[i].source);
		free(mounts[i].super);
	}
	free(mounts);
}

int mountinfo_parse(const char *text, struct mountinfo **ret_mounts, size_t *ret_count,
		    struct err *err)
{
	struct mountinfo *mounts = NULL;
	size_t count = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		array_grow(mounts, count);
		memset(&mounts[count], 0, sizeof(mounts[count]));
		if (!parse_line(line, &mounts[count++])) {
			mountinfo_free(mounts, count);
			return err_set(err, -EPROTO, "mountinfo: line %zu", count);
		}
		if (!strchr(line, '\n'))
			break;
	}
	*ret_mounts = mounts;
	*ret_count = count;
	return 0;
}

/* ---- mounts of ours ---- */

static bool is_device(const struct mountinfo *mount)
{
	const char *name = mount->point;
	const char *source = strrchr(mount->root, '/');

	if (!scan_text(&name, "/dev/") || !source || strcmp(source + 1, name) != 0)
		return false;
	for (size_t i = 0; mount_devices[i]; i++)
		if (strcmp(name, mount_devices[i]) == 0)
			return true;
	return false;
}

bool mountinfo_is_made(const struct mountinfo *mount, bool has_root)
{
	for (const struct mount_row *row = mount_rows; row->name; row++) {
		if ((has_root || row->is_in_view) && strcmp(mount->point, row->point) == 0 &&
		    strcmp(mount->type, row->type) == 0 && strcmp(mount->root, "/") == 0)
			return true;
	}
	return has_root && is_device(mount);
}

bool mountinfo_is_made_tmpfs(const char *point)
{
	for (const struct mount_row *row = mount_rows; row->name; row++) {
		if (strcmp(row->point, point) == 0)
			return strcmp(row->type, "tmpfs") == 0;
	}
	return false;
}

const char *mountinfo_made_options(const char *point)
{
	for (const struct mount_row *row = mount_rows; row->name; row++) {
		if (strcmp(point, row->point) == 0)
			return row->shown;
	}
	return NULL;
}

char **mountinfo_points(bool has_root, size_t *ret_count)
{
	char **points = NULL;
	size_t count = 0;

	for (const struct mount_row *row = mount_rows; row->name; row++) {
		if (!has_root && !row->is_in_view)
			continue;
		array_grow(points, count);
		points[count++] = mem_string(row->point);
	}
	for (size_t i = 0; has_root && mount_devices[i]; i++) {
		array_grow(points, count);
		points[count++] = mem_printf("/dev/%s", mount_devices[i]);
	}
	*ret_count = count;
	return points;
}

/* ---- reading ---- */

int mountinfo_read(int proc, const char *path, struct mountinfo **ret_mounts, size_t *ret_count,
		   struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r;

	r = procfs_read(proc, path, &text, err);
	if (r < 0)
		return r;
	return mountinfo_parse(text.data ? text.data : "", ret_mounts, ret_count, err);
}
