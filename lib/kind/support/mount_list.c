/* Saved mounts as records: see mount_saving.h. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_saving.h"
#include "kind/support/mount_take.h"
#include "kind/support/tree_record.h"

/* ---- the record ---- */

static bool is_listed(const struct saved *saved)
{
	if (saved->is_along)
		return false;
	return saved->how != MOUNT_THERE || saved->is_needed || saved->is_changed ||
	       saved->is_made || saved->content || saved->info->group || saved->info->master ||
	       saved->info->is_unbindable;
}

static void mark_needed(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct saved *saved = &saving->saved[i];

		if (saved->how == MOUNT_THERE)
			continue;
		if (saved->parent != NONE)
			saving->saved[saved->parent].is_needed = true;
		if (saved->source != NONE)
			saving->saved[saved->source].is_needed = true;
	}
}

static char *text(const char *own)
{
	return mem_string(own ? own : "");
}

static struct mount_entry entry_of(const struct saving *saving, size_t n)
{
	const struct saved *saved = &saving->saved[n];
	const struct mountinfo *info = saved->info;
	bool is_there = saved->how == MOUNT_THERE;
	bool is_new = saved->how == MOUNT_FILESYSTEM;
	struct mount_entry entry = {
		.how = saved->how,
		.flags = (saved->is_changed ? MOUNT_CHANGED : 0u) |
			 (!is_there && saved->is_root ? MOUNT_ROOT : 0u) |
			 (saved->is_followed ? MOUNT_FOLLOWED : 0u),
		.content = saved->content,
		.attributes = saved->attributes,
		.propagation = info->is_unbindable ? MOUNT_UNBINDABLE : 0u,
		.group = info->group,
		.master = saving_has_group(saving, info->master) ? info->master : 0,
		.point = text(is_there ? info->point : saving_point(saving, n)),
		.root = text(saved->root),
		.type = text(is_new || saved->content ? info->type : NULL),
		.device = text(is_new ? info->source : NULL),
		.options = text(saved->options),
	};

	if (!is_there && saved->parent != NONE)
		entry.parent = saving->saved[saved->parent].number;
	if (saved->source != NONE)
		entry.source = saving->saved[saved->source].number;
	return entry;
}

static void add_entry(struct mount_list *list, const struct mount_entry *entry)
{
	array_grow(list->entries, list->count);
	list->entries[list->count++] = *entry;
}

static void add_gone(struct mount_list *list, const char *point)
{
	struct mount_entry entry = { .how = MOUNT_GONE,
				     .point = text(point),
				     .root = text(NULL),
				     .type = text(NULL),
				     .device = text(NULL),
				     .options = text(NULL) };

	add_entry(list, &entry);
}

static bool is_there_at(const struct saving *saving, const char *point)
{
	for (size_t i = 0; i < saving->count; i++) {
		if (saving->saved[i].how == MOUNT_THERE &&
		    strcmp(saving->mounts[i].point, point) == 0)
			return true;
	}
	return false;
}

/* What was made and is not there any more. Below something that is gone itself nothing is listed.
 * Mounts that the invoker's own namespace has, and the copy has not, came later. */
static void list_gone(const struct saving *saving, struct mount_list *list)
{
	const struct mount_origin *origin = saving->origin;
	bool has_dev = is_there_at(saving, "/dev");
	char **points;
	size_t count;

	points = mountinfo_points(origin->has_root, &count);
	for (size_t i = 0; i < count; i++) {
		bool is_device = strncmp(points[i], "/dev/", 5) == 0;

		if (origin->has_root && is_there_at(saving, "/") && (!is_device || has_dev) &&
		    !is_there_at(saving, points[i]) && !saving_has_node(saving, points[i]))
			add_gone(list, points[i]);
		free(points[i]);
	}
	free(points);
	for (size_t i = 0; !origin->has_made && i < origin->own_count; i++) {
		if (!saving->is_used[i] && is_there_at(saving, "/"))
			add_gone(list, origin->own[i].point);
	}
}

static void list_mount(struct saving *saving, size_t n, struct mount_list *list)
{
	struct mount_entry entry = entry_of(saving, n);

	add_entry(list, &entry);
	saving->saved[n].number = (uint32_t)list->count;
}

void saving_write(struct saving *saving, const struct kind *kind, uint32_t id)
{
	auto_mount_list struct mount_list list = { .has_root = saving->origin->has_root };
	auto_buf struct buf body = BUF_EMPTY;

	mark_needed(saving);
	for (size_t i = saving->count; i < saving->count + saving->left_count; i++) {
		/* Over the files that stand for them, device nodes are mounts that we make. */
		if (saving->saved[i].is_needed || i < saving->count + saving->node_count)
			list_mount(saving, i, &list);
	}
	for (size_t i = 0; i < saving->order_count; i++) {
		const struct saved *saved = &saving->saved[saving->order[i]];

		if (is_listed(saved))
			list_mount(saving, saving->order[i], &list);
	}
	list_gone(saving, &list);
	if (list.count > MOUNT_COUNT_MAX) {
		(void)dump_block(saving->d, NULL, "%zu mounts of its own are not supported",
				 list.count);
		return;
	}
	mount_list_write(&list, &body);
	dump_record(saving->d, id, kind, body.data, body.size);
}

/* ---- trees ---- */

/* From the last mount to the first, so that each is at the top when its turn comes. */
static size_t list_steps(const struct saving *saving, struct mount_step *steps, size_t *numbers)
{
	size_t count = 0;

	for (size_t i = saving->count; i-- > 0;) {
		const struct saved *saved = &saving->saved[saving->order[i]];
		bool is_unmounted = saved->how != MOUNT_THERE && !saved->is_root;

		bool has_tree = saved->content && strcmp(saved->info->type, "tmpfs") == 0;

		if (!has_tree && !is_unmounted)
			continue;
		numbers[count] = saving->order[i];
		steps[count++] = (struct mount_step){ .point = saved->info->point,
						      .is_taken = has_tree,
						      .is_unmounted = is_unmounted,
						      .fd = -1 };
	}
	return count;
}

int saving_take_trees(struct saving *saving, int proc, struct err *err)
{
	auto_free struct mount_step *steps = mem_alloc(saving->count, sizeof(*steps));
	auto_free size_t *numbers = mem_alloc(saving->count, sizeof(*numbers));
	size_t count = list_steps(saving, steps, numbers);
	bool has_any = false;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		has_any |= steps[i].is_taken;
	if (has_any)
		r = mount_take(proc, steps, count, err);
	for (size_t i = 0; i < count; i++) {
		const struct saved *saved = &saving->saved[numbers[i]];

		if (r == 0 && steps[i].is_taken)
			r = tree_dump(
			    saving->d, &kind_tmpfs, saved->content, steps[i].fd, saved->info->point,
			    saving->node_count > 0 && strcmp(saved->info->point, "/dev") == 0, err);
		drop_fd(&steps[i].fd);
	}
	return r;
}
