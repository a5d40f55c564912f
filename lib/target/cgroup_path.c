/* Where control groups are: mountinfo, /proc/PID/cgroup, and the way from one to the other. See
 * cgroup.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"
#include "target/cgroup.h"

/* mountinfo writes space, tab, newline, backslash and '#' in octal. */
static char *unescape(const char *field, size_t length)
{
	char *text = mem_copy(field, length);
	char *to = text;

	for (const char *from = text; *from;) {
		const char *digits = from + 1;

		if (*from == '\\' && digits[0] >= '0' && digits[0] <= '3' && digits[1] >= '0' &&
		    digits[1] <= '7' && digits[2] >= '0' && digits[2] <= '7') {
			*to++ = (char)((digits[0] - '0') << 6 | (digits[1] - '0') << 3 |
				       (digits[2] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}

struct field {
	const char *at;
	size_t length;
};

static bool take_field(const char **at, struct field *field)
{
	size_t length = strcspn(*at, " \n");

	*field = (struct field){ *at, length };
	*at += length;
	(void)scan_char(at, ' ');
	return length > 0;
}

static bool field_is(const struct field *field, const char *text)
{
	return field->length == strlen(text) && memcmp(field->at, text, field->length) == 0;
}

static bool has_option(const struct field *options, const char *option)
{
	size_t wanted = strlen(option);

	for (size_t i = 0, length; i < options->length; i += length + 1) {
		const char *at = options->at + i;
		const char *comma = memchr(at, ',', options->length - i);

		length = comma ? (size_t)(comma - at) : options->length - i;
		if (length == wanted && memcmp(at, option, wanted) == 0)
			return true;
	}
	return false;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL...] - TYPE SOURCE SUPER-OPTIONS */
static bool scan_mount(const char *at, const char *controller, struct cgroup_mount *ret_mount)
{
	struct field skipped, root, point, type, options;

	for (int i = 0; i < 3; i++) {
		if (!take_field(&at, &skipped))
			return false;
	}
	if (!take_field(&at, &root) || !take_field(&at, &point))
		return false;
	do {
		if (!take_field(&at, &skipped))
			return false;
	} while (!field_is(&skipped, "-"));
	if (!take_field(&at, &type))
		return false;
	(void)take_field(&at, &skipped); /* the source may be empty */
	if (!take_field(&at, &options))
		return false;

	ret_mount->form = FREEZER_NONE;
	if (field_is(&type, "cgroup2"))
		ret_mount->form = FREEZER_V2;
	else if (field_is(&type, "cgroup") && has_option(&options, controller))
		ret_mount->form = FREEZER_V1;
	if (ret_mount->form == FREEZER_NONE)
		return true;
	ret_mount->root = unescape(root.at, root.length);
	ret_mount->point = unescape(point.at, point.length);
	return true;
}

static int parse_mounts(const char *mountinfo, const char *controller,
			struct cgroup_mount **ret_mounts, size_t *ret_count, struct err *err)
{
	struct cgroup_mount *mounts = NULL;
	size_t count = 0;
	const char *end;

	for (const char *line = mountinfo; *line; line = end + 1) {
		struct cgroup_mount mount;

		end = strchr(line, '\n');
		if (!end || !scan_mount(line, controller, &mount)) {
			cgroup_mounts_free(mounts, count);
			return err_set(err, ERR_FAILED, "mountinfo: damaged line");
		}
		if (mount.form == FREEZER_NONE)
			continue;
		array_grow(mounts, count);
		mounts[count++] = mount;
	}
	*ret_mounts = mounts;
	*ret_count = count;
	return 0;
}

int cgroup_mounts_parse(const char *mountinfo, struct cgroup_mount **ret_mounts, size_t *ret_count,
			struct err *err)
{
	return parse_mounts(mountinfo, "freezer", ret_mounts, ret_count, err);
}

int cgroup_mounts_get(struct cgroup_mount **ret_mounts, size_t *ret_count, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(AT_FDCWD, "/proc/self/mountinfo", &text, err);

	return r < 0 ? r : cgroup_mounts_parse(text.data, ret_mounts, ret_count, err);
}

void cgroup_mounts_free(struct cgroup_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(mounts[i].root);
		free(mounts[i].point);
	}
	free(mounts);
}

/* ---- paths ---- */

/* ID:CONTROLLERS:PATH; a path may hold colons, but no newline. */
static int parse_path(const char *text, enum freezer_form form, const char *controller,
		      char **ret_path, struct err *err)
{
	static const char removed[] = " (deleted)";
	const char *end;

	for (const char *line = text; *line; line = end + 1) {
		struct field controllers;
		const char *at = line;
		uint64_t id;
		size_t length;

		end = strchr(line, '\n');
		if (!end || !scan_number(&at, 10, UINT64_MAX, &id) || !scan_char(&at, ':'))
			return err_set(err, ERR_FAILED, "cgroup: damaged line");
		controllers = (struct field){ at, strcspn(at, ":\n") };
		at += controllers.length;
		if (!scan_char(&at, ':') || *at != '/')
			return err_set(err, ERR_FAILED, "cgroup: damaged line");
		if (form == FREEZER_V2 ? id != 0 || controllers.length != 0
				       : !has_option(&controllers, controller))
			continue;
		length = (size_t)(end - at);
		*ret_path = NULL;
		if (length < strlen(removed) ||
		    memcmp(end - strlen(removed), removed, strlen(removed)) != 0)
			*ret_path = mem_copy(at, length);
		return 0;
	}
	*ret_path = NULL;
	return 0;
}

int cgroup_path_parse(const char *text, enum freezer_form form, char **ret_path, struct err *err)
{
	return parse_path(text, form, "freezer", ret_path, err);
}

bool cgroup_path_leaves(const char *path)
{
	for (; *path; path = strchrnul(path, '/'), path += *path != '\0') {
		if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
			return true;
	}
	return false;
}

/* Both paths are relative to the root of our cgroup namespace; what is outside begins with /.. */
char *cgroup_map_path(const struct cgroup_mount *mount, const char *path)
{
	size_t length = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);

	if (strncmp(path, mount->root, length) != 0)
		return NULL;
	path += length;
	if ((*path != '/' && *path != '\0') || cgroup_path_leaves(path))
		return NULL;
	if (strcmp(path, "/") == 0)
		path = "";
	return mem_printf("%s%s", strcmp(mount->point, "/") == 0 ? "" : mount->point, path);
}

char *cgroup_v1_place(int proc, const char *controller)
{
	auto_buf struct buf mountinfo = BUF_EMPTY;
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *path = NULL;
	struct cgroup_mount *mounts = NULL;
	struct err none = ERR_NONE;
	char *place = NULL;
	size_t count = 0;

	if (procfs_read(proc, "cgroup", &text, &none) < 0 ||
	    parse_path(text.data, FREEZER_V1, controller, &path, &none) < 0 || !path ||
	    procfs_read(AT_FDCWD, "/proc/self/mountinfo", &mountinfo, &none) < 0 ||
	    parse_mounts(mountinfo.data, controller, &mounts, &count, &none) < 0)
		return NULL;
	for (size_t i = 0; !place && i < count; i++) {
		if (mounts[i].form == FREEZER_V1)
			place = cgroup_map_path(&mounts[i], path);
	}
	cgroup_mounts_free(mounts, count);
	return place;
}
