/* Following a path through saved mounts. See mount_place.h. */
#include "kind/support/mount_place.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_record.h"

enum { NONE = -1 };

/* The rest of `path` below `top`, both relative; NULL if it is elsewhere. */
static const char *rest_of(const char *path, const char *top)
{
	size_t length = strlen(top);

	if (length == 0)
		return path;
	if (strncmp(path, top, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

/* A mount that is there says only where it is: it is on the one with the longest way to it. */
static ssize_t parent_of(const struct mount_list *list, size_t n)
{
	const struct mount_entry *entry = &list->entries[n];
	ssize_t parent = NONE;

	if (entry->how != MOUNT_THERE)
		return (ssize_t)entry->parent - 1;
	for (size_t i = 0; i < list->count; i++) {
		const struct mount_entry *other = &list->entries[i];
		const char *rest = rest_of(entry->point + 1, other->point + 1);

		if (other->how != MOUNT_THERE || i == n || !rest || (!*rest && i > n))
			continue;
		if (parent == NONE || strlen(other->point) >= strlen(list->entries[parent].point))
			parent = (ssize_t)i;
	}
	return parent;
}

/* Below its parent's root. */
static const char *point_of(const struct mount_list *list, size_t n, ssize_t parent)
{
	const struct mount_entry *entry = &list->entries[n];

	if (entry->how != MOUNT_THERE)
		return entry->point;
	return rest_of(entry->point + 1, parent == NONE ? "" : list->entries[parent].point + 1);
}

/* The mount that is met first on the way from the root of `at`. */
static bool step(const struct mount_list *list, ssize_t *at, const char **path)
{
	const char *longest = NULL;
	ssize_t found = NONE;

	for (size_t i = 0; i < list->count; i++) {
		const struct mount_entry *entry = &list->entries[i];
		const char *rest;

		if (entry->how == MOUNT_GONE || entry->flags & MOUNT_ROOT ||
		    parent_of(list, i) != *at)
			continue;
		rest = rest_of(*path, point_of(list, i, *at));
		if (rest && (!longest || strlen(rest) >= strlen(longest))) {
			longest = rest;
			found = (ssize_t)i;
		}
	}
	if (found == NONE)
		return false;
	*at = found;
	*path = longest;
	return true;
}

static ssize_t root_of(const struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->entries[i].flags & MOUNT_ROOT)
			return (ssize_t)i;
	}
	return NONE;
}

/* ---- in the files of a tmpfs ---- */

static bool is_entry(const struct tree_entry *entry, uint32_t parent, const char *name,
		     size_t length)
{
	return le32_get(entry->rec->parent) == parent && entry->name_length == length &&
	       memcmp(entry->name, name, length) == 0;
}

/* Depth first: what is in a directory comes behind it. */
static void find_file(const struct record *tree, const char *path, struct mount_place *place)
{
	struct tree_walk walk;
	struct tree_entry entry;
	struct err ignored;
	uint32_t parent = 0;
	size_t length = 0;

	place->is_missing = true;
	if (tree_begin(tree->body, tree->length, &walk, &ignored) < 0)
		return;
	while (tree_next(&walk, &entry, &ignored) > 0) {
		if (!is_entry(&entry, parent, path, length))
			continue;
		path += length + (path[length] == '/');
		length = strcspn(path, "/");
		parent = entry.number;
		place->mode = le32_get(entry.rec->mode);
		place->size = le64_get(entry.rec->size);
		place->is_known = length == 0;
		/* A link may lead anywhere. */
		place->is_missing = length > 0 && !S_ISLNK(place->mode);
		if (!place->is_missing)
			return;
	}
}

/* ---- both ---- */

static char *joined(const char *top, const char *rest)
{
	return mem_printf("%s%s%s", strcmp(top, "/") == 0 && *rest ? "" : top, *rest ? "/" : "",
			  rest);
}

static void find_end(const struct image *image, const struct mount_list *list, ssize_t at,
		     const char *rest, struct mount_place *place)
{
	auto_free char *path = mem_string(rest);
	const struct record *tree;

	while (at != NONE && list->entries[at].how == MOUNT_BIND) {
		const char *root = list->entries[at].root;
		char *longer = mem_printf("%s%s%s", root, *root && *path ? "/" : "", path);

		free(path);
		path = longer;
		at = (ssize_t)list->entries[at].source - 1;
	}
	tree = at == NONE ? NULL : image_find(image, TAG_TREE, list->entries[at].content);
	if (tree)
		find_file(tree, path, place);
	else if (at == NONE)
		place->path = joined("/", path);
	else if (list->entries[at].how == MOUNT_THERE)
		place->path = joined(list->entries[at].point, path);
}

void mount_place_find(const struct image *image, const char *path, struct mount_place *ret_place)
{
	const struct record *record = image_next(image, TAG_MOUNTS, NULL);
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	struct err ignored;
	ssize_t at;

	*ret_place = (struct mount_place){ .path = NULL };
	if (!record || path[0] != '/' ||
	    mount_list_read(record->body, record->length, &list, &ignored) < 0) {
		ret_place->path = mem_string(path);
		return;
	}
	path += strspn(path, "/");
	at = root_of(&list);
	while (step(&list, &at, &path))
		;
	find_end(image, &list, at, path, ret_place);
}

void mount_place_free(struct mount_place *place)
{
	free(place->path);
}

bool mount_is_named(const struct image *image, const char *place)
{
	const struct record *record = image_next(image, TAG_MOUNTS, NULL);
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	struct err ignored;

	if (!record || mount_list_read(record->body, record->length, &list, &ignored) < 0)
		return false;
	for (size_t i = 0; i < list.count; i++) {
		auto_free char *own = mount_list_place(&list, i);

		if (list.entries[i].how == MOUNT_NAMED && strcmp(own, place) == 0)
			return true;
	}
	return false;
}
