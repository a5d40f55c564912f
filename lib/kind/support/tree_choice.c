/* Files that are chosen. See tree_choice.h. */
#include "kind/support/tree_choice.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/tree_shelf.h"

void tree_choice_free(struct tree_choice *choice)
{
	for (size_t i = 0; i < choice->count; i++)
		free(choice->paths[i]);
	free(choice->paths);
	drop_fd(&choice->upper);
	*choice = TREE_CHOICE_NONE;
}

static void add(char ***list, size_t *count, char *text)
{
	array_grow(*list, *count);
	(*list)[(*count)++] = text;
}

/* Components are real ones, and one slash is between them. */
static bool is_path(const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");

		/* Nothing is the beginning of everything. */
		if (length > 255 || strncmp(path, ".", length) == 0 ||
		    strncmp(path, "..", length < 2 ? 2 : length) == 0)
			return false;
		path += length;
		if (*path == '/' && *++path == '\0')
			return false;
	}
	return true;
}

int tree_choice_parse(const char *text, struct tree_choice *ret_choice, struct err *err)
{
	auto_free char *copy = mem_string(text);
	char *at = copy;
	char *path;

	*ret_choice = TREE_CHOICE_NONE;
	while ((path = strsep(&at, ","))) {
		size_t length = strlen(path);

		if (path[0] != '/' || length < 2 || length >= 4096 || !is_path(path + 1)) {
			tree_choice_free(ret_choice);
			(void)err_set(err, ERR_USAGE,
				      "--file-system: %s is not a path below the root", path);
			return err_hint(err, "absolute paths without \"..\", with commas between "
					     "them");
		}
		add(&ret_choice->paths, &ret_choice->count, mem_string(path + 1));
	}
	return 0;
}

/* "" for `top` itself; NULL if it is elsewhere. */
static const char *below(const char *path, const char *top)
{
	size_t length = strlen(top);

	if (strncmp(path, top, length) != 0)
		return NULL;
	if (length == 0)
		return path;
	return path[length] == '/'    ? path + length + 1
	       : path[length] == '\0' ? path + length
				      : NULL;
}

/* ---- an overlay ---- */

/* Who writes to that directory is stopped, or the invoker's own. */
static int open_upper(const struct tree_choice *choice, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				.resolve =
				    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd = sys_openat2(choice->upper, *path ? path : ".", &how);

	return fd < 0 ? -errno : fd;
}

static bool has_mark(int fd, const char *name)
{
	static const char *const prefixes[] = { "trusted", "user" };

	for (size_t i = 0; i < 2; i++) {
		auto_free char *full = mem_printf("%s.overlay.%s", prefixes[i], name);
		char value[4096];

		if (fgetxattr(fd, full, value, sizeof(value)) > 0)
			return true;
	}
	return false;
}

/* One that hides, or has taken along, what is below: all that is seen in it is its own. */
static enum tree_part part_of_upper(const struct tree_choice *choice, const char *path)
{
	auto_close int fd = open_upper(choice, path);

	if (fd < 0 || has_mark(fd, "opaque") || has_mark(fd, "redirect"))
		return TREE_PART_WHOLE;
	return TREE_PART_SOME;
}

static int names_of_upper(const struct tree_choice *choice, const char *path, char ***names,
			  size_t *count)
{
	int fd = open_upper(choice, path);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir)
		return fd < 0 ? fd : -errno;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    (*path || !tree_shelf_is_name(entry->d_name)))
			add(names, count, mem_string(entry->d_name));
	}
	return 0;
}

/* ---- both ---- */

enum tree_part tree_choice_part(const struct tree_choice *choice, const char *path)
{
	for (size_t i = 0; i < choice->count; i++) {
		if (below(path, choice->paths[i]))
			return TREE_PART_WHOLE;
	}
	return choice->upper >= 0 ? part_of_upper(choice, path) : TREE_PART_WAY;
}

static bool is_among(char *const *names, size_t count, const char *name, size_t length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
			return true;
	}
	return false;
}

int tree_choice_names(const struct tree_choice *choice, const char *path, char ***ret_names,
		      size_t *ret_count)
{
	*ret_names = NULL;
	*ret_count = 0;
	if (choice->upper >= 0)
		return names_of_upper(choice, path, ret_names, ret_count);
	for (size_t i = 0; i < choice->count; i++) {
		const char *rest = below(choice->paths[i], path);
		size_t length = rest ? strcspn(rest, "/") : 0;

		if (length > 0 && !is_among(*ret_names, *ret_count, rest, length))
			add(ret_names, ret_count, mem_copy(rest, length));
	}
	return 0;
}
