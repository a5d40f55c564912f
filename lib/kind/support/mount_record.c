/* The list of mounts in bytes. See mount_record.h. */
#include "kind/support/mount_record.h"
#include "kind/support/namespaces.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "container/mountinfo.h"
#include "core/buf.h"
#include "core/cleanup.h"

void mount_list_free(struct mount_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->entries[i].point);
		free(list->entries[i].root);
		free(list->entries[i].type);
		free(list->entries[i].device);
		free(list->entries[i].options);
	}
	free(list->entries);
	*list = MOUNT_LIST_NONE;
}

/* ---- writing ---- */

static le32 length_of(const char *text)
{
	return le32_make((uint32_t)strlen(text));
}

static void write_entry(const struct mount_entry *entry, struct buf *body)
{
	struct mount_rec rec = {
		.how = le32_make(entry->how),
		.flags = le32_make(entry->flags),
		.parent = le32_make(entry->parent),
		.source = le32_make(entry->source),
		.content = le32_make(entry->content),
		.attributes = le32_make(entry->attributes),
		.propagation = le32_make(entry->propagation),
		.group = le32_make(entry->group),
		.master = le32_make(entry->master),
		.point_length = length_of(entry->point),
		.root_length = length_of(entry->root),
		.type_length = length_of(entry->type),
		.source_length = length_of(entry->device),
		.options_length = length_of(entry->options),
	};

	(void)buf_append(body, &rec, sizeof(rec));
	(void)buf_append(body, entry->point, strlen(entry->point));
	(void)buf_append(body, entry->root, strlen(entry->root));
	(void)buf_append(body, entry->type, strlen(entry->type));
	(void)buf_append(body, entry->device, strlen(entry->device));
	(void)buf_append(body, entry->options, strlen(entry->options));
	buf_align(body, 8);
}

void mount_list_write(const struct mount_list *list, struct buf *body)
{
	struct mounts_rec rec = { .has_root = le32_make(list->has_root),
				  .count = le32_make((uint32_t)list->count) };

	(void)buf_append(body, &rec, sizeof(rec));
	for (size_t i = 0; i < list->count; i++)
		write_entry(&list->entries[i], body);
}

/* ---- reading ---- */

static int take_text(struct reader *reader, uint32_t length, uint32_t most, char **ret_text,
		     struct err *err)
{
	const void *bytes = length < most ? reader_take(reader, length) : NULL;

	if (!bytes)
		return err_set(err, ERR_DAMAGED, "mounts: cut off");
	*ret_text = mem_copy(bytes, length);
	if (strlen(*ret_text) != length)
		return err_set(err, ERR_DAMAGED, "mounts: NUL in a text");
	return 0;
}

static int take_padding(struct reader *reader, const void *body, struct err *err)
{
	size_t used = (size_t)(reader->at - (const unsigned char *)body);
	const char *zeros = reader_take(reader, (8 - used % 8) % 8);

	for (size_t i = 0; zeros && i < (8 - used % 8) % 8; i++) {
		if (zeros[i])
			zeros = NULL;
	}
	return zeros ? 0 : err_set(err, ERR_DAMAGED, "mounts: padding");
}

static int take_texts(struct reader *reader, const struct mount_rec *rec, struct mount_entry *entry,
		      struct err *err)
{
	int r = take_text(reader, le32_get(rec->point_length), MOUNT_PATH_MAX, &entry->point, err);

	if (r == 0)
		r = take_text(reader, le32_get(rec->root_length), MOUNT_PATH_MAX, &entry->root,
			      err);
	if (r == 0)
		r = take_text(reader, le32_get(rec->type_length), MOUNT_PATH_MAX, &entry->type,
			      err);
	if (r == 0)
		r = take_text(reader, le32_get(rec->source_length), MOUNT_PATH_MAX, &entry->device,
			      err);
	if (r == 0)
		r = take_text(reader, le32_get(rec->options_length), MOUNT_OPTIONS_MAX,
			      &entry->options, err);
	return r;
}

/* Names with slashes between them, none of which is ".", ".." or empty. */
static bool is_relative_path(const char *path)
{
	size_t length;

	if (*path == '\0')
		return true;
	for (;; path += length + 1) {
		length = strcspn(path, "/");
		if (length == 0 || length > 255 || (length == 1 && path[0] == '.') ||
		    (length == 2 && memcmp(path, "..", 2) == 0))
			return false;
		if (path[length] == '\0')
			return true;
	}
}

static bool is_absolute_path(const char *path)
{
	return path[0] == '/' && is_relative_path(path + 1);
}

static bool is_empty(const struct mount_entry *entry)
{
	return !entry->type[0] && !entry->device[0] && !entry->options[0];
}

/* What is found at its place: a name, and attributes. Files are put only into those that ctckpt
 * itself has made. */
static bool is_there(const struct mount_entry *entry)
{
	bool is_tmpfs = strcmp(entry->type, "tmpfs") == 0 && mountinfo_is_made_tmpfs(entry->point);

	return entry->parent == 0 && entry->source == 0 && is_absolute_path(entry->point) &&
	       !entry->root[0] && !entry->device[0] &&
	       (is_tmpfs ? mount_options_are_valid("tmpfs", entry->options)
			 : is_empty(entry) && entry->content == 0);
}

static bool is_gone(const struct mount_entry *entry)
{
	return is_there(entry) && is_empty(entry) && !entry->flags && !entry->attributes &&
	       !entry->propagation && !entry->group && !entry->master;
}

static bool is_late(const struct mount_entry *entry)
{
	return entry->content && strcmp(entry->type, "proc") == 0;
}

static bool is_filesystem(const struct mount_entry *entry)
{
	bool is_tmpfs = strcmp(entry->type, "tmpfs") == 0;

	bool has_content = is_tmpfs || strcmp(entry->type, "proc") == 0;

	return mount_type_is_known(entry->type) && entry->source == 0 &&
	       (is_tmpfs || !entry->root[0]) && (has_content || entry->content == 0) &&
	       (!is_late(entry) ||
		(entry->group == 0 && entry->master == 0 && entry->propagation == 0)) &&
	       mount_options_are_valid(entry->type, entry->options);
}

/* Sources stand before those who take from them, and can be taken from. */
static bool is_bind(const struct mount_list *list, const struct mount_entry *entry)
{
	return entry->source > 0 && entry->source <= list->count && entry->content == 0 &&
	       list->entries[entry->source - 1].how != MOUNT_GONE &&
	       !is_late(&list->entries[entry->source - 1]) && is_empty(entry);
}

static bool is_named(const struct mount_entry *entry)
{
	return entry->source == 0 && entry->content == 0 && !entry->root[0] && is_empty(entry);
}

static bool is_placed(const struct mount_list *list, const struct mount_entry *entry)
{
	if (entry->flags & MOUNT_ROOT)
		return entry->parent == 0 && entry->point[0] == '\0';
	return entry->parent > 0 && entry->parent <= list->count &&
	       list->entries[entry->parent - 1].how != MOUNT_GONE &&
	       !is_late(&list->entries[entry->parent - 1]);
}

static bool is_sound(const struct mount_list *list, const struct mount_entry *entry)
{
	if (entry->how == MOUNT_THERE)
		return is_there(entry) && !(entry->flags & MOUNT_ROOT);
	if (entry->how == MOUNT_GONE)
		return is_gone(entry);
	if (!is_placed(list, entry) || entry->flags & MOUNT_CHANGED)
		return false;
	switch (entry->how) {
	case MOUNT_FILESYSTEM:
		return is_filesystem(entry);
	case MOUNT_BIND:
		return is_bind(list, entry);
	case MOUNT_NAMED:
		return is_named(entry);
	default:
		return false;
	}
}

static bool has_known_bits(const struct mount_entry *entry)
{
	uint32_t atime = entry->attributes & MOUNT_ATTR__ATIME;

	return (entry->flags & ~(uint32_t)(MOUNT_CHANGED | MOUNT_ROOT | MOUNT_FOLLOWED)) == 0 &&
	       (entry->attributes & ~(uint32_t)MOUNT_ATTRIBUTES) == 0 &&
	       (atime == 0 || atime == MOUNT_ATTR_NOATIME || atime == MOUNT_ATTR_STRICTATIME) &&
	       (entry->propagation & ~(uint32_t)MOUNT_UNBINDABLE) == 0 &&
	       (entry->propagation == 0 || (entry->group == 0 && entry->master == 0)) &&
	       (entry->master == 0 || entry->master != entry->group);
}

static int take_entry(struct reader *reader, const void *body, struct mount_list *list,
		      struct err *err)
{
	const struct mount_rec *rec = reader_take(reader, sizeof(*rec));
	struct mount_entry *entry;
	int r;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "mounts: cut off");
	array_grow(list->entries, list->count);
	entry = &list->entries[list->count];
	*entry = (struct mount_entry){
		.how = le32_get(rec->how),
		.flags = le32_get(rec->flags),
		.parent = le32_get(rec->parent),
		.source = le32_get(rec->source),
		.content = le32_get(rec->content),
		.attributes = le32_get(rec->attributes),
		.propagation = le32_get(rec->propagation),
		.group = le32_get(rec->group),
		.master = le32_get(rec->master),
	};
	/* Counted afterwards: a mount is on, and taken from, those before it. */
	r = take_texts(reader, rec, entry, err);
	if (r == 0)
		r = take_padding(reader, body, err);
	if (r == 0 &&
	    (!has_known_bits(entry) || !is_relative_path(entry->root) ||
	     (entry->parent && !is_relative_path(entry->point)) || !is_sound(list, entry)))
		r = err_set(err, ERR_DAMAGED, "mounts: mount %zu is impossible", list->count + 1);
	list->count++;
	return r;
}

/* One root at most; a master is a group of the list. */
static int check_whole(const struct mount_list *list, struct err *err)
{
	size_t roots = 0;
	size_t lates = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct mount_entry *entry = &list->entries[i];
		bool has_master = entry->master == 0;

		lates += is_late(entry);
		roots += (entry->flags & MOUNT_ROOT) != 0;
		for (size_t j = 0; j < list->count && !has_master; j++)
			has_master = list->entries[j].group == entry->master;
		if (!has_master)
			return err_set(err, ERR_DAMAGED, "mounts: master of mount %zu", i + 1);
	}
	if (lates > 1)
		return err_set(err, ERR_DAMAGED, "mounts: %zu procs of pid namespaces", lates);
	if (roots > 1)
		return err_set(err, ERR_DAMAGED, "mounts: %zu roots", roots);
	return 0;
}

int mount_list_read(const void *body, size_t length, struct mount_list *ret_list, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct mounts_rec *rec = reader_take(&reader, sizeof(*rec));
	auto_mount_list struct mount_list list = MOUNT_LIST_NONE;
	uint32_t count = rec ? le32_get(rec->count) : 0;
	int r = 0;

	if (!rec || le32_get(rec->has_root) > 1 || count > MOUNT_COUNT_MAX)
		return err_set(err, ERR_DAMAGED, "mounts: %zu bytes", length);
	list.has_root = le32_get(rec->has_root);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = take_entry(&reader, body, &list, err);
	if (r == 0 && reader_left(&reader) != 0)
		r = err_set(err, ERR_DAMAGED, "mounts: bytes behind the last one");
	if (r == 0)
		r = check_whole(&list, err);
	if (r < 0)
		return r;
	*ret_list = list;
	list = MOUNT_LIST_NONE;
	return 0;
}

int mount_list_link(const struct image *image, const struct mount_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		uint32_t content = list->entries[i].content;
		const struct namespace_rec *ns = namespace_find(image, content);

		if (is_late(&list->entries[i]) && (!ns || le32_get(ns->type) != NAMESPACE_PID))
			return err_set(err, ERR_DAMAGED, "mounts: pid namespace %u is not there",
				       content);
		if (content && !is_late(&list->entries[i]) && !image_find(image, TAG_TREE, content))
			return err_set(err, ERR_DAMAGED, "mounts: tree %u is not there", content);
		for (size_t j = 0; content && j < i; j++) {
			if (list->entries[j].content == content)
				return err_set(err, ERR_DAMAGED, "mounts: tree %u is there twice",
					       content);
		}
	}
	return 0;
}

char *mount_list_place(const struct mount_list *list, size_t n)
{
	const struct mount_entry *entry = &list->entries[n];
	auto_free char *parent = NULL;

	if (entry->flags & MOUNT_ROOT)
		return mem_string("/");
	if (entry->parent == 0)
		return mem_string(entry->point);
	if (entry->point[0] == '\0')
		return mount_list_place(list, entry->parent - 1);
	parent = mount_list_place(list, entry->parent - 1);
	/* The root has a slash already. */
	return mem_printf("%s/%s", parent[1] ? parent : "", entry->point);
}
