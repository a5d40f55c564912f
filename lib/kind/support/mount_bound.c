/* Mounts of a bundle instead of those of an image. See mount_bound.h. */
#include "kind/support/mount_bound.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = mem_string(value);
}

static void leave_out(struct mount_entry *entry)
{
	entry->how = MOUNT_GONE;
	entry->flags = 0;
	entry->content = 0;
	entry->group = 0;
	entry->master = 0;
	set_text(&entry->point, "");
}

static bool is_in_memory(const struct mount_entry *entry)
{
	return entry->content && strcmp(entry->type, "tmpfs") == 0;
}

static void find_there(struct mount_entry *entry, const char *place, bool may_have_files)
{
	bool has_files = may_have_files && is_in_memory(entry);

	entry->how = MOUNT_THERE;
	entry->flags = 0;
	entry->parent = 0;
	entry->source = 0;
	if (!has_files)
		entry->content = 0;
	set_text(&entry->point, place);
	set_text(&entry->options, "");
}

/* Each mount of the bundle is one of the image: what is mounted over it, a task has mounted. */
static const struct bound_point *take_point(const struct bound *bound, bool *is_taken,
					    const char *place)
{
	for (size_t i = 0; i < bound->point_count; i++) {
		if (!is_taken[i] && strcmp(bound->points[i].path, place) == 0) {
			is_taken[i] = true;
			return &bound->points[i];
		}
	}
	return NULL;
}

static bool is_below_whole(const struct bound *bound, const char *place)
{
	for (size_t i = 0; i < bound->point_count; i++) {
		const struct bound_point *point = &bound->points[i];
		size_t length = strlen(point->path);

		if (point->is_whole && strncmp(point->path, place, length) == 0 &&
		    place[length] == '/')
			return true;
	}
	return false;
}

char *mount_memory_options(const struct image *image, const char *place)
{
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	const struct record *record = image_next(image, TAG_MOUNTS, NULL);
	struct err ignored;

	if (!record || mount_list_read(record->body, record->length, &list, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < list.count; i++) {
		auto_free char *own = mount_list_place(&list, i);

		if (is_in_memory(&list.entries[i]) && strcmp(own, place) == 0)
			return mem_string(list.entries[i].options);
	}
	return NULL;
}

static void apply(struct mount_entry *entry, const struct bound *bound, bool *is_taken,
		  const char *place)
{
	const struct bound_point *point = take_point(bound, is_taken, place);

	if (entry->how == MOUNT_GONE)
		leave_out(entry);
	else if (point)
		find_there(entry, place, point->sort != BOUND_OTHER);
	else if (is_below_whole(bound, place) && !entry->content)
		find_there(entry, place, false);
	else if (entry->how == MOUNT_THERE)
		leave_out(entry);
}

void mount_list_apply(struct mount_list *list, const struct bound *bound)
{
	auto_free char **places = mem_alloc(list->count + 1, sizeof(*places));
	auto_free bool *is_taken = NULL;

	if (!bound)
		return;
	is_taken = mem_alloc(bound->point_count + 1, sizeof(*is_taken));
	for (size_t i = 0; i < list->count; i++)
		places[i] = mount_list_place(list, i);
	for (size_t i = 0; i < list->count; i++) {
		apply(&list->entries[i], bound, is_taken, places[i]);
		free(places[i]);
	}
}

bool mount_is_missed(const struct mount_list *list, size_t n, const struct bound *bound)
{
	const struct mount_entry *entry = &list->entries[n];

	return bound && entry->how == MOUNT_THERE && entry->content &&
	       !bound_point_at(bound, entry->point);
}
