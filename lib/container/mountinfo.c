/* What is mounted in a container, and whether we would mount the same. See mountinfo.h. */
#include "container/mountinfo.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "container/container.h"
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

/* "shared:1 master:2 ... - " */
static bool skip_optional_fields(const char **at)
{
	while (**at != '\0' && **at != '\n') {
		size_t length = strcspn(*at, " \n");
		bool is_end = length == 1 && **at == '-';

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
	if (!mount->root || !mount->point || !mount->options || !skip_optional_fields(&at))
		return false;
	mount->type = take_field(&at);
	/* The source may be empty: two spaces follow each other. */
	mount->source = *at == ' ' ? mem_string("") : take_field(&at);
	return mount->type && mount->source;
}

void mountinfo_free(struct mountinfo *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(mounts[i].root);
		free(mounts[i].point);
		free(mounts[i].options);
		free(mounts[i].type);
		free(mounts[i].source);
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

/* ---- strangers ---- */

static bool is_same(const struct mountinfo *a, const struct mountinfo *b)
{
	return a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       strcmp(a->root, b->root) == 0 && strcmp(a->point, b->point) == 0 &&
	       strcmp(a->options, b->options) == 0 && strcmp(a->type, b->type) == 0 &&
	       strcmp(a->source, b->source) == 0;
}

static bool is_among(const struct mountinfo *mount, const struct mountinfo *own, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(mount, &own[i]))
			return true;
	return false;
}

static bool is_of_row(const struct mountinfo *mount, const struct mount_row *row)
{
	return strcmp(mount->point, row->point) == 0 && strcmp(mount->type, row->type) == 0 &&
	       strcmp(mount->root, "/") == 0 && strcmp(mount->options, row->shown) == 0;
}

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

/* What container_start() adds is there once: what is mounted twice is somebody else's. */
static bool is_first_at(const struct mountinfo *mounts, size_t n, const struct mountinfo *own,
			size_t own_count)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(mounts[i].point, mounts[n].point) == 0 &&
		    !is_among(&mounts[i], own, own_count))
			return false;
	return true;
}

static bool is_made_by_us(const struct mountinfo *mount, bool has_root)
{
	for (const struct mount_row *row = mount_rows; row->name; row++)
		if ((has_root || row->is_in_view) && is_of_row(mount, row))
			return true;
	return has_root && (is_device(mount) || strcmp(mount->point, "/") == 0);
}

const struct mountinfo *mountinfo_stranger(const struct mountinfo *mounts, size_t count,
					   const struct mountinfo *own, size_t own_count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_among(&mounts[i], own, own_count))
			continue;
		if (!is_made_by_us(&mounts[i], !own) || !is_first_at(mounts, i, own, own_count))
			return &mounts[i];
	}
	return NULL;
}

/* ---- the check ---- */

struct mount_list {
	struct mountinfo *mounts;
	size_t count;
};

static void mount_list_free(struct mount_list *list)
{
	mountinfo_free(list->mounts, list->count);
}

static int read_list(int proc, const char *path, struct mount_list *list, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	int r;

	r = procfs_read(proc, path, &text, err);
	if (r < 0)
		return r;
	return mountinfo_parse(text.data ? text.data : "", &list->mounts, &list->count, err);
}

/* Is the target's root that directory, and no more or less restricted? */
static int check_root(int proc, const char *rootfs, char **ret_stranger, struct err *err)
{
	auto_close int wanted = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int found = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statvfs wanted_fs;
	struct statvfs found_fs;
	struct stat wanted_stat;
	struct stat found_stat;

	if (wanted < 0 || fstat(wanted, &wanted_stat) < 0 || fstatvfs(wanted, &wanted_fs) < 0)
		return err_set(err, -errno, "root file system %s", rootfs);
	if (found < 0 || fstat(found, &found_stat) < 0 || fstatvfs(found, &found_fs) < 0)
		return err_set(err, -errno, "look at the container's root");
	if (wanted_stat.st_dev == found_stat.st_dev && wanted_stat.st_ino == found_stat.st_ino &&
	    wanted_fs.f_flag == found_fs.f_flag)
		return 0;
	*ret_stranger = mem_string("/");
	return err_set(err, ERR_REFUSED, "the container's root is not %s, or was remounted",
		       rootfs);
}

int container_check_mounts(int proc, const char *rootfs, char **ret_stranger, struct err *err)
{
	auto_with(mount_list_free) struct mount_list target = { NULL, 0 };
	auto_with(mount_list_free) struct mount_list own = { NULL, 0 };
	const struct mountinfo *stranger;
	int r;

	r = read_list(proc, "mountinfo", &target, err);
	if (r == 0 && !rootfs)
		r = read_list(AT_FDCWD, "/proc/self/mountinfo", &own, err);
	if (r == 0 && rootfs)
		r = check_root(proc, rootfs, ret_stranger, err);
	if (r < 0)
		return r;
	stranger = mountinfo_stranger(target.mounts, target.count, own.mounts, own.count);
	if (!stranger)
		return 0;
	*ret_stranger = mem_printf("%s (%s)", stranger->point, stranger->type);
	(void)err_set(err, ERR_REFUSED, "the container has a mount that restore would not make: %s",
		      *ret_stranger);
	return err_hint(err, "unmount it in the container");
}
