/* Files in bytes. See tree_record.h. */
#include "kind/support/tree_record.h"

#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "kind/support/file_content.h"

int tree_begin(const void *body, size_t length, struct tree_walk *ret_walk, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct tree_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec || le32_get(rec->reserved) != 0 || le32_get(rec->count) == 0 ||
	    le32_get(rec->count) > TREE_ENTRIES_MAX)
		return err_set(err, ERR_DAMAGED, "tree: %zu bytes", length);
	*ret_walk =
	    (struct tree_walk){ .reader = reader, .body = body, .count = le32_get(rec->count) };
	return 1;
}

static bool take_padding(struct tree_walk *walk)
{
	size_t used = (size_t)(walk->reader.at - (const unsigned char *)walk->body);
	size_t size = (8 - used % 8) % 8;
	const char *zeros = reader_take(&walk->reader, size);

	for (size_t i = 0; zeros && i < size; i++) {
		if (zeros[i])
			return false;
	}
	return zeros != NULL;
}

int tree_next(struct tree_walk *walk, struct tree_entry *ret_entry, struct err *err)
{
	const struct tree_entry_rec *rec;
	struct tree_entry entry;

	if (walk->done == walk->count)
		return 0;
	rec = reader_take(&walk->reader, sizeof(*rec));
	if (!rec)
		return err_set(err, ERR_DAMAGED, "tree: cut off");
	entry = (struct tree_entry){ .number = ++walk->done, .rec = rec };
	entry.name_length = le32_get(rec->name_length);
	entry.xattrs_length = le32_get(rec->xattrs_length);
	entry.data_length = le32_get(rec->data_length);
	entry.name = reader_take(&walk->reader, entry.name_length);
	entry.xattrs = entry.name ? reader_take(&walk->reader, entry.xattrs_length) : NULL;
	entry.data = entry.xattrs ? reader_take(&walk->reader, entry.data_length) : NULL;
	if (!entry.data || !take_padding(walk))
		return err_set(err, ERR_DAMAGED, "tree: cut off");
	*ret_entry = entry;
	return 1;
}

bool tree_next_xattr(const char **at, const char *end, const char **ret_name,
		     const void **ret_value, uint32_t *ret_size)
{
	const char *name = *at;
	const char *value = memchr(name, '\0', (size_t)(end - name));
	le32 size;

	if (!value || (size_t)(end - ++value) < sizeof(size))
		return false;
	memcpy(&size, value, sizeof(size));
	value += sizeof(size);
	if ((size_t)(end - value) < le32_get(size))
		return false;
	*ret_name = name;
	*ret_value = value;
	*ret_size = le32_get(size);
	*at = value + *ret_size;
	return true;
}

/* ---- check ---- */

struct check {
	uint32_t stack[TREE_DEPTH_MAX + 1]; /* numbers of the directories around */
	size_t lengths[TREE_DEPTH_MAX + 1]; /* of their paths */
	size_t depth;
	uint32_t *types; /* owned: mode of each entry; of other names 0 */
	uint32_t flags;	 /* that entries may have */
};

static bool is_name(const struct tree_entry *entry)
{
	const char *name = entry->name;
	uint32_t length = entry->name_length;

	return length > 0 && length <= TREE_NAME_MAX && !memchr(name, '/', length) &&
	       !memchr(name, '\0', length) && !(length == 1 && name[0] == '.') &&
	       !(length == 2 && name[0] == '.' && name[1] == '.');
}

/* Its directory is the one that is being filled, or one around it. */
static bool enter(struct check *check, const struct tree_entry *entry)
{
	uint32_t parent = le32_get(entry->rec->parent);
	uint32_t mode = le32_get(entry->rec->mode);
	size_t length;

	if (entry->number == 1) {
		check->stack[0] = 1;
		check->depth = 1;
		return parent == 0 && S_ISDIR(mode) && entry->name_length == 0;
	}
	while (check->depth > 0 && check->stack[check->depth - 1] != parent)
		check->depth--;
	if (check->depth == 0 || !is_name(entry))
		return false;
	length = check->lengths[check->depth - 1] + entry->name_length + 1;
	if (length >= 4096)
		return false;
	if (S_ISDIR(mode)) {
		if (check->depth > TREE_DEPTH_MAX)
			return false;
		check->lengths[check->depth] = length;
		check->stack[check->depth++] = entry->number;
	}
	return true;
}

static bool has_sound_xattrs(const struct tree_entry *entry)
{
	const char *at = entry->xattrs;
	const char *end = at + entry->xattrs_length;
	const char *name;
	const void *value;
	uint32_t size;

	if (entry->xattrs_length > TREE_XATTRS_MAX)
		return false;
	while (at < end) {
		if (!tree_next_xattr(&at, end, &name, &value, &size))
			return false;
		if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0 &&
		    strncmp(name, "system.posix_acl_", 17) != 0)
			return false;
	}
	return true;
}

static bool is_sound_link(const struct check *check, const struct tree_entry *entry)
{
	uint32_t link = le32_get(entry->rec->link);

	return link < entry->number && check->types[link - 1] == le32_get(entry->rec->mode) &&
	       !S_ISDIR(check->types[link - 1]) && entry->data_length == 0 &&
	       entry->xattrs_length == 0 && le32_get(entry->rec->content) == 0;
}

static bool has_sound_flags(const struct check *check, const struct tree_entry *entry)
{
	uint32_t flags = le32_get(entry->rec->flags);
	uint32_t mode = le32_get(entry->rec->mode);

	if (flags & ~check->flags || flags == (TREE_WHOLE | TREE_ON_WAY) ||
	    (flags && le32_get(entry->rec->link)))
		return false;
	return !flags || S_ISDIR(mode) ||
	       (S_ISREG(mode) && flags == TREE_ON_WAY && le64_get(entry->rec->size) == 0);
}

static bool is_sound(const struct check *check, const struct tree_entry *entry)
{
	const struct tree_entry_rec *rec = entry->rec;
	uint32_t mode = le32_get(rec->mode);
	uint64_t size = le64_get(rec->size);

	if (mode & ~(uint32_t)(S_IFMT | 07777) || !has_sound_flags(check, entry) ||
	    le32_get(rec->atime_ns) > 999999999 || le32_get(rec->mtime_ns) > 999999999 ||
	    le32_get(rec->uid) == UINT32_MAX || le32_get(rec->gid) == UINT32_MAX ||
	    size > INT64_MAX || !has_sound_xattrs(entry))
		return false;
	if (le32_get(rec->link))
		return is_sound_link(check, entry);
	switch (mode & S_IFMT) {
	case S_IFREG:
		return entry->data_length <= size;
	case S_IFLNK:
		return size == 0 && le32_get(rec->content) == 0 && entry->data_length > 0 &&
		       entry->data_length < 4096 && !memchr(entry->data, '\0', entry->data_length);
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR: /* 0:0, a whiteout */
		return size == 0 && le32_get(rec->content) == 0 && entry->data_length == 0;
	default:
		return false;
	}
}

static void check_free(struct check *check)
{
	free(check->types);
}

int tree_check(const void *body, size_t length, uint32_t flags, struct err *err)
{
	auto_with(check_free) struct check check = { .flags = flags };
	struct tree_walk walk;
	struct tree_entry entry;
	int r = tree_begin(body, length, &walk, err);

	if (r < 0)
		return r;
	/* As many as there is room for: a lie about their number costs no memory. */
	if (walk.count > length / sizeof(struct tree_entry_rec))
		return err_set(err, ERR_DAMAGED, "tree: %u entries", walk.count);
	check.types = mem_alloc(walk.count, sizeof(*check.types));
	while ((r = tree_next(&walk, &entry, err)) > 0) {
		if (!enter(&check, &entry) || !is_sound(&check, &entry))
			return err_set(err, ERR_DAMAGED, "tree: entry %u is impossible",
				       entry.number);
		check.types[entry.number - 1] =
		    le32_get(entry.rec->link) ? 0 : le32_get(entry.rec->mode);
	}
	if (r == 0 && reader_left(&walk.reader) != 0)
		return err_set(err, ERR_DAMAGED, "tree: bytes behind the last entry");
	return r;
}

int tree_link(const struct image *image, const struct record *record, struct err *err)
{
	struct tree_walk walk;
	struct tree_entry entry;
	int r = tree_begin(record->body, record->length, &walk, err);

	while (r > 0 && (r = tree_next(&walk, &entry, err)) > 0) {
		uint32_t content = le32_get(entry.rec->content);
		int linked = file_content_link(image, content, le64_get(entry.rec->size), err);

		if (content && linked < 0)
			return linked;
	}
	return r;
}
