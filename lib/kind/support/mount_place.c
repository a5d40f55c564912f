/* Following a path through saved mounts. See mount_place.h. */
#include "kind/support/mount_place.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "kind/support/files.h"
#include "kind/support/mount_bound.h"
#include "kind/support/mount_record.h"
#include "kind/support/tree_index.h"
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

/* ---- what is remembered while questions are asked ---- */

struct places {
	struct mount_list list;
	bool has_list;
	size_t *next;	  /* owned: of each mount, the next with the same parent; its count: none */
	size_t *first;	  /* owned: of each mount, its first child; the last one: of none */
	ssize_t *parents; /* owned */
	struct tree_index *trees; /* owned */
	size_t tree_count;
};

static void places_free(void *memory)
{
	struct places *places = memory;

	mount_list_free(&places->list);
	for (size_t i = 0; i < places->tree_count; i++)
		tree_index_free(&places->trees[i]);
	free(places->trees);
	free(places->next);
	free(places->first);
	free(places->parents);
	free(places);
}

static size_t slot_of(const struct places *places, ssize_t parent)
{
	return parent == NONE ? places->list.count : (size_t)parent;
}

/* Backwards: each list of children is in the order of mounts. */
static void find_children(struct places *places)
{
	size_t count = places->list.count;

	places->next = mem_alloc(count + 1, sizeof(*places->next));
	places->first = mem_alloc(count + 1, sizeof(*places->first));
	places->parents = mem_alloc(count + 1, sizeof(*places->parents));
	for (size_t i = 0; i <= count; i++)
		places->first[i] = count;
	for (size_t i = count; i-- > 0;) {
		size_t slot;

		places->parents[i] = parent_of(&places->list, i);
		slot = slot_of(places, places->parents[i]);
		places->next[i] = places->first[slot];
		places->first[slot] = i;
	}
}

static struct places *places_of(struct plan *plan)
{
	void **memory = plan_memory(plan, places_free);
	const struct record *record = image_next(plan_image(plan), TAG_MOUNTS, NULL);
	struct places *places = *memory;
	struct err ignored;

	if (places)
		return places;
	places = mem_alloc(1, sizeof(*places));
	*memory = places;
	if (record && mount_list_read(record->body, record->length, &places->list, &ignored) == 0) {
		places->has_list = true;
		mount_list_apply(&places->list, plan_facts(plan)->bound);
		find_children(places);
	}
	return places;
}

static const struct tree_index *tree_of(struct places *places, const struct record *tree)
{
	for (size_t i = 0; i < places->tree_count; i++) {
		if (places->trees[i].tree == tree)
			return &places->trees[i];
	}
	array_grow(places->trees, places->tree_count);
	tree_index_make(tree, &places->trees[places->tree_count]);
	return &places->trees[places->tree_count++];
}

/* ---- through mounts ---- */

/* The mount that is met first on the way from the root of `at`. */
static bool step(const struct places *places, ssize_t *at, const char **path)
{
	const char *longest = NULL;
	ssize_t found = NONE;

	for (size_t i = places->first[slot_of(places, *at)]; i < places->list.count;
	     i = places->next[i]) {
		const struct mount_entry *entry = &places->list.entries[i];
		const char *rest;

		if (entry->how == MOUNT_GONE || entry->flags & MOUNT_ROOT)
			continue;
		rest = rest_of(*path, point_of(&places->list, i, *at));
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

static void find_file(const struct tree_index *index, const char *path, struct mount_place *place)
{
	const struct tree_file *file;
	uint32_t parent = 0;
	size_t length = 0;

	place->is_missing = true;
	while ((file = tree_index_find(index, parent, path, length))) {
		path += length + (path[length] == '/');
		length = strcspn(path, "/");
		parent = file->number;
		place->mode = file->mode;
		place->size = file->size;
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

/* Does a bundle mount there what is neither in its root directory nor like the host's own? */
static bool is_elsewhere(const struct plan *plan, const char *point)
{
	static const char *const others[] = { "", "dev", "proc", "sys" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const char *rest = rest_of(point + 1, others[i]);

		if (rest && (i > 0 || !*rest))
			return false;
	}
	return plan_facts(plan)->bound && !plan_facts(plan)->is_joined;
}

/* What an engine has put into a file system in memory stays. Owned; NULL: it is not there. */
static char *find_joined(const struct plan *plan, const char *point, const char *rest)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	auto_free char *path = joined(point, rest);
	auto_close int fd = sys_openat2(plan_facts(plan)->root, path, &how);

	return fd < 0 ? NULL : take_ptr(path);
}

static void find_end(struct plan *plan, struct places *places, ssize_t at, const char *rest,
		     struct mount_place *place)
{
	const struct mount_list *list = &places->list;
	auto_free char *path = mem_string(rest);
	const struct record *tree;

	while (at != NONE && list->entries[at].how == MOUNT_BIND) {
		const char *root = list->entries[at].root;
		char *longer = mem_printf("%s%s%s", root, *root && *path ? "/" : "", path);

		free(path);
		path = longer;
		at = (ssize_t)list->entries[at].source - 1;
		if (strlen(path) >= FILE_PATH_MAX) {
			place->is_missing = true;
			return;
		}
	}
	tree =
	    at == NONE ? NULL : image_find(plan_image(plan), TAG_TREE, list->entries[at].content);
	if (tree && list->entries[at].how == MOUNT_THERE && plan_facts(plan)->is_joined)
		place->path = find_joined(plan, list->entries[at].point, path);
	if (place->path)
		return;
	if (tree)
		find_file(tree_of(places, tree), path, place);
	else if (at == NONE)
		place->path = joined("/", path);
	else if (list->entries[at].how == MOUNT_THERE &&
		 !is_elsewhere(plan, list->entries[at].point))
		place->path = joined(list->entries[at].point, path);
}

/* In the root directory, among files that the image carries: what is not theirs is there, or not,
 * as it is now. */
static void find_carried(struct plan *plan, struct places *places, struct mount_place *place)
{
	const struct record *record = image_next(plan_image(plan), TAG_FILES, NULL);
	const struct tree_file *file = NULL;
	const struct tree_index *index;
	const char *path = place->path;
	uint32_t parent = 0;
	size_t length = 0;
	uint32_t flags = 0;

	if (!record || !path || path[0] != '/')
		return;
	index = tree_of(places, record);
	while ((file = tree_index_find(index, parent, path, length))) {
		path += length;
		path += strspn(path, "/");
		length = strcspn(path, "/");
		parent = file->number;
		flags = file->flags;
		place->mode = file->mode;
		place->size = file->size;
		if (length == 0 || !S_ISDIR(file->mode))
			break;
	}
	if (!file && !(flags & TREE_WHOLE))
		return;
	/* Where it only leads to something, it is what is there already. */
	if (file && flags & TREE_ON_WAY && length == 0)
		return;
	free(take_ptr(place->path));
	place->is_missing = !file || S_ISCHR(place->mode) || (length > 0 && !S_ISLNK(place->mode));
	place->is_known = !place->is_missing && length == 0;
}

/* One that was there, and of which something was altered. */
static bool is_root(const struct mount_entry *entry)
{
	return entry->how == MOUNT_THERE && strcmp(entry->point, "/") == 0;
}

void mount_place_find(struct plan *plan, const char *path, struct mount_place *ret_place)
{
	struct places *places = places_of(plan);
	ssize_t at;

	*ret_place = (struct mount_place){ .path = NULL };
	if (!places->has_list || path[0] != '/') {
		ret_place->path = mem_string(path);
		find_carried(plan, places, ret_place);
		return;
	}
	path += strspn(path, "/");
	at = root_of(&places->list);
	while (step(places, &at, &path))
		;
	find_end(plan, places, at, path, ret_place);
	if (at == NONE || is_root(&places->list.entries[at]))
		find_carried(plan, places, ret_place);
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
