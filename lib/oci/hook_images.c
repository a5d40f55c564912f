/* Where checkpoints that a container's annotations ask for are kept: NAME@ID.000001.ckpt and so on.
 *
 * The directory is the invoker's own and private, and no link leads to it. Images appear as a
 * whole, under a name that nobody has; what is removed has such a name and is an image. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/scan.h"
#include "core/sys.h"
#include "image/image.h"
#include "oci/hook.h"

enum { NUMBER_DIGITS = 6, NUMBER_MAX = 999999999 };

/* ---- the directory ---- */

/* `path` relative to `below`; NULL: it does not lie there. */
static const char *relative_to(const char *path, const char *below)
{
	size_t length = strlen(below);

	while (length > 0 && below[length - 1] == '/')
		length--;
	if (strncmp(path, below, length) != 0 || path[length] != '/')
		return NULL;
	path += length;
	while (*path == '/')
		path++;
	return *path ? path : NULL;
}

static int open_below(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = sys_openat2(dir, path, &how);

	return fd < 0 ? -errno : fd;
}

static int open_start(const char *path, const char *below, const char **ret_rest, int *ret_dir,
		      struct err *err)
{
	*ret_rest = relative_to(path, below);
	if (!*ret_rest) {
		(void)err_set(err, ERR_REFUSED, "%s is not below %s", path, below);
		return err_hint(err, "annotations may name what is below it only: see option "
				     "--below in ctckpt-oci-hook(1)");
	}
	*ret_dir = open(below, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_dir < 0 ? err_set(err, -errno, "open %s", below) : 0;
}

static int explain(const char *path, int code, struct err *err)
{
	if (code == -EXDEV)
		return err_set(err, ERR_REFUSED, "%s leads out of where it may be", path);
	(void)err_set(err, code, "open %s", path);
	if (code == -ELOOP)
		return err_hint(err, "no part of the path may be a link");
	return code;
}

/* Of all that is missing, the last directory is made. */
static int make_directory(int start, const char *rest)
{
	auto_free char *parent = mem_string(rest);
	char *end = parent + strlen(parent);
	auto_close int dir = -1;
	const char *name;

	while (end > parent && end[-1] == '/')
		*--end = '\0';
	name = strrchr(parent, '/');
	name = name ? name + 1 : parent;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -ENOENT;
	if (name == parent)
		return mkdirat(start, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
	parent[name - parent - 1] = '\0';
	dir = open_below(start, parent, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	return mkdirat(dir, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int check_directory(int dir, const char *path, struct err *err)
{
	struct stat stat;

	if (fstat(dir, &stat) < 0)
		return err_set(err, -errno, "stat %s", path);
	if (stat.st_uid != geteuid())
		return err_set(err, ERR_REFUSED, "%s belongs to another user", path);
	if (stat.st_mode & 022)
		return err_set(err, ERR_REFUSED, "%s can be written by others (mode %04o)", path,
			       stat.st_mode & 07777);
	return 0;
}

int hook_open_images(const char *path, const char *below, int *ret_dir, struct err *err)
{
	auto_close int start = -1;
	auto_close int dir = -1;
	const char *rest;
	int r = open_start(path, below, &rest, &start, err);

	if (r < 0)
		return r;
	dir = open_below(start, rest, O_RDONLY | O_DIRECTORY);
	if (dir == -ENOENT) {
		r = make_directory(start, rest);
		if (r < 0)
			return err_set(err, r, "create %s", path);
		dir = open_below(start, rest, O_RDONLY | O_DIRECTORY);
	}
	if (dir < 0)
		return explain(path, dir, err);
	r = check_directory(dir, path, err);
	if (r < 0)
		return r;
	*ret_dir = take_fd(&dir);
	return 0;
}

int hook_open_image(const char *path, const char *below, int *ret_fd, struct err *err)
{
	auto_close int start = -1;
	auto_close int fd = -1;
	const char *rest;
	struct stat stat;
	int r = open_start(path, below, &rest, &start, err);

	if (r < 0)
		return r;
	fd = open_below(start, rest, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return explain(path, fd, err);
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return err_set(err, ERR_REFUSED, "%s is not a file", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- names ---- */

/* Neither name nor id has an @. Of the long ids that engines make up, the beginning is enough. */
int hook_file_stem(const char *name, const char *id, char **ret_stem, struct err *err)
{
	enum { MADE_UP = 64, SHOWN = 12, ID_MAX = 128 };
	size_t length = strlen(id);
	bool is_made_up = length == MADE_UP && strspn(id, "0123456789abcdef") == length;

	if (length > ID_MAX)
		return err_set(err, ERR_REFUSED, "its id is too long for the name of a file");
	*ret_stem = mem_printf("%s@%.*s", name, is_made_up ? (int)SHOWN : (int)length, id);
	return 0;
}

/* 0: it is not one of these. */
static uint64_t number_of(const char *file, const char *stem)
{
	const char *at = file;
	const char *digits;
	uint64_t number;

	if (!scan_text(&at, stem) || !scan_char(&at, '.'))
		return 0;
	digits = at;
	if (!scan_number(&at, 10, NUMBER_MAX, &number) || at - digits < NUMBER_DIGITS ||
	    strcmp(at, ".ckpt") != 0)
		return 0;
	return number;
}

static char *file_of(const char *stem, uint64_t number)
{
	return mem_printf("%s.%0*" PRIu64 ".ckpt", stem, NUMBER_DIGITS, number);
}

struct numbers {
	uint64_t *list; /* owned */
	size_t count;
};

static void numbers_free(struct numbers *numbers)
{
	free(numbers->list);
}

static int compare_numbers(const void *left, const void *right)
{
	const uint64_t *a = left;
	const uint64_t *b = right;

	return *a < *b ? -1 : *a > *b;
}

static int list_images(int dir, const char *stem, struct numbers *numbers, struct err *err)
{
	auto_close int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!stream)
		return err_set(err, -errno, "list images");
	(void)take_fd(&copy);
	while ((entry = readdir(stream))) {
		uint64_t number = number_of(entry->d_name, stem);

		if (number == 0)
			continue;
		array_grow(numbers->list, numbers->count);
		numbers->list[numbers->count++] = number;
	}
	if (numbers->count > 0)
		qsort(numbers->list, numbers->count, sizeof(*numbers->list), compare_numbers);
	return 0;
}

int hook_next_image(int dir, const char *stem, char **ret_file, struct err *err)
{
	auto_with(numbers_free) struct numbers numbers = { .list = NULL };
	int r = list_images(dir, stem, &numbers, err);
	uint64_t last = numbers.count ? numbers.list[numbers.count - 1] : 0;

	if (r == 0 && last == NUMBER_MAX)
		r = err_set(err, ERR_FAILED, "image %" PRIu64 " is the last there can be", last);
	if (r == 0)
		*ret_file = file_of(stem, last + 1);
	return r;
}

/* Other files keep their place, whatever they are called. */
static bool is_image(int dir, const char *file)
{
	auto_close int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;

	return fd >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) &&
	       stat.st_uid == geteuid() && image_begins(fd);
}

int hook_prune_images(int dir, const char *stem, uint32_t keep, struct err *err)
{
	auto_with(numbers_free) struct numbers numbers = { .list = NULL };
	int r = list_images(dir, stem, &numbers, err);

	for (size_t i = 0; r == 0 && i + keep < numbers.count; i++) {
		auto_free char *file = file_of(stem, numbers.list[i]);

		if (is_image(dir, file) && unlinkat(dir, file, 0) < 0 && errno != ENOENT)
			r = err_set(err, -errno, "remove %s", file);
	}
	return r;
}

/* ---- of containers that had the name before ---- */

struct former {
	char *file; /* owned */
	struct timespec made;
};

struct formers {
	struct former *list; /* owned */
	size_t count;
};

static void formers_free(struct formers *formers)
{
	for (size_t i = 0; i < formers->count; i++)
		free(formers->list[i].file);
	free(formers->list);
}

/* NAME@ID.NUMBER.ckpt with any other id, which may have dots in it. */
static bool is_former(const char *file, const char *name, const char *stem)
{
	size_t length = strlen(name);
	const char *id = file + length + 1;
	size_t end = strlen(file);
	auto_free char *other = NULL;

	if (strncmp(file, name, length) != 0 || file[length] != '@' || strchr(id, '@'))
		return false;
	for (int dots = 0; dots < 2 && file + end > id;)
		dots += file[--end] == '.';
	if (file + end <= id)
		return false;
	other = mem_copy(file, end);
	return strcmp(other, stem) != 0 && number_of(file, other) > 0;
}

static int compare_formers(const void *left, const void *right)
{
	const struct former *a = left;
	const struct former *b = right;

	if (a->made.tv_sec != b->made.tv_sec)
		return a->made.tv_sec < b->made.tv_sec ? -1 : 1;
	if (a->made.tv_nsec != b->made.tv_nsec)
		return a->made.tv_nsec < b->made.tv_nsec ? -1 : 1;
	return strcmp(a->file, b->file);
}

/* The oldest first. */
static int list_formers(int dir, const char *name, const char *stem, struct formers *formers,
			struct err *err)
{
	auto_close int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	struct stat stat;

	if (!stream)
		return err_set(err, -errno, "list images");
	(void)take_fd(&copy);
	while ((entry = readdir(stream))) {
		if (!is_former(entry->d_name, name, stem) || !is_image(dir, entry->d_name) ||
		    fstatat(dir, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		array_grow(formers->list, formers->count);
		formers->list[formers->count++] =
		    (struct former){ mem_string(entry->d_name), stat.st_mtim };
	}
	if (formers->count > 0)
		qsort(formers->list, formers->count, sizeof(*formers->list), compare_formers);
	return 0;
}

int hook_prune_former(int dir, const char *name, const char *stem, uint32_t keep, struct err *err)
{
	auto_with(numbers_free) struct numbers own = { .list = NULL };
	auto_with(formers_free) struct formers formers = { .list = NULL };
	int r = list_images(dir, stem, &own, err);
	size_t room = own.count < keep ? keep - own.count : 0;

	if (r == 0)
		r = list_formers(dir, name, stem, &formers, err);
	for (size_t i = 0; r == 0 && i + room < formers.count; i++) {
		if (unlinkat(dir, formers.list[i].file, 0) < 0 && errno != ENOENT)
			r = err_set(err, -errno, "remove %s", formers.list[i].file);
	}
	return r;
}
