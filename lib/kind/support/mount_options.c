/* Options of mounts and of file systems. See mount_record.h. */
#include <string.h>
#include <sys/mount.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_record.h"

struct option {
	const char *name;
	bool is_kept; /* else it is the default, or comes back in another way */
};

struct type {
	const char *name;
	struct option options[24];
};

/* Ids in options are those of the first user namespace: a tmpfs gets them from its root. */
static const struct type types[] = {
	{ "tmpfs",
	  { { "size", true },
	    { "nr_blocks", true },
	    { "nr_inodes", true },
	    { "huge", true },
	    { "mpol", true },
	    { "mode", false },
	    { "uid", false },
	    { "gid", false },
	    { "inode32", false },
	    { "inode64", false } } },
	{ "proc", { { "hidepid", true }, { "subset", true } } },
	{ "sysfs", { { NULL, false } } },
	{ "mqueue", { { NULL, false } } },
	{ "devpts", { { "mode", true }, { "ptmxmode", true }, { "max", true }, { "gid", false } } },
	/* Of the hierarchy, which is the host's. */
	{ "cgroup2",
	  { { "nsdelegate", false },
	    { "favordynmods", false },
	    { "memory_localevents", false },
	    { "memory_recursiveprot", false },
	    { "memory_hugetlb_accounting", false },
	    { "pids_localevents", false } } },
	{ "overlay",
	  { { "lowerdir", true },
	    { "lowerdir+", true },
	    { "datadir+", true },
	    { "upperdir", true },
	    { "workdir", true },
	    { "userxattr", true },
	    { "redirect_dir", true },
	    { "index", true },
	    { "xino", true },
	    { "metacopy", true },
	    { "nfs_export", true },
	    { "uuid", true },
	    { "fsync", true } } },
};

static const struct type *find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

bool mount_type_is_known(const char *type)
{
	return find_type(type) != NULL;
}

static const struct option *find_option(const struct type *type, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t size = equals ? (size_t)(equals - text) : length;

	for (const struct option *option = type->options; option->name; option++) {
		if (strlen(option->name) == size && memcmp(option->name, text, size) == 0)
			return option;
	}
	return NULL;
}

/* Up to the next comma: in the paths of an overlay, one behind a backslash is none. */
static size_t option_length(const char *text)
{
	size_t length = 0;

	while (text[length] && text[length] != ',')
		length += text[length] == '\\' && text[length + 1] ? 2 : 1;
	return length;
}

/* Relative paths were so to a directory that nobody knows any more. */
static bool is_sound(const struct type *type, const char *text, size_t length)
{
	const char *value = memchr(text, '=', length);

	if (strcmp(type->name, "overlay") != 0 || !value)
		return true;
	if (memmem(text, length, "dir=", 4) == NULL && memmem(text, length, "dir+=", 5) == NULL)
		return true;
	if (strncmp(text, "redirect_dir=", 13) == 0)
		return true;
	for (const char *at = value; at && at < text + length; at = strchr(at + 1, ':')) {
		if (at > value && at[-1] == '\\')
			continue;
		if (at[1] != '/' && at[1] != ':')
			return false;
	}
	return true;
}

bool mount_options_filter(const char *type_name, const char *options, char **ret_kept,
			  char **ret_stranger)
{
	const struct type *type = find_type(type_name);
	auto_buf struct buf kept = BUF_EMPTY;
	size_t length;

	for (const char *at = options; *at; at += length + (at[length] == ',')) {
		const struct option *option;

		length = option_length(at);
		if (length == 0 || (length == 2 && memcmp(at, "rw", 2) == 0) ||
		    (length == 2 && memcmp(at, "ro", 2) == 0))
			continue;
		option = type ? find_option(type, at, length) : NULL;
		if (!option || !is_sound(type, at, length)) {
			*ret_stranger = mem_copy(at, length);
			return false;
		}
		if (option->is_kept)
			buf_printf(&kept, "%s%.*s", kept.size ? "," : "", (int)length, at);
	}
	*ret_kept = mem_string(kept.data ? kept.data : "");
	return true;
}

bool mount_options_are_valid(const char *type, const char *options)
{
	auto_free char *kept = NULL;
	auto_free char *stranger = NULL;

	return mount_options_filter(type, options, &kept, &stranger) && strcmp(kept, options) == 0;
}

bool mount_attributes_parse(const char *options, uint32_t *ret_attributes)
{
	static const struct {
		const char *name;
		uint32_t attribute;
	} words[] = {
		{ "rw", 0 },
		{ "ro", MOUNT_ATTR_RDONLY },
		{ "nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", MOUNT_ATTR_NODEV },
		{ "noexec", MOUNT_ATTR_NOEXEC },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME },
		{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
		{ "noatime", MOUNT_ATTR_NOATIME },
		{ "relatime", 0 },
	};
	uint32_t attributes = 0;
	bool has_atime = false;
	size_t length;

	for (const char *at = options; *at; at += length + (at[length] == ',')) {
		size_t i = 0;

		length = strcspn(at, ",");
		while (i < sizeof(words) / sizeof(words[0]) &&
		       (strlen(words[i].name) != length || memcmp(words[i].name, at, length) != 0))
			i++;
		if (i == sizeof(words) / sizeof(words[0]))
			return false;
		attributes |= words[i].attribute;
		has_atime |= i >= 7;
	}
	*ret_attributes = attributes | (has_atime ? 0 : MOUNT_ATTR_STRICTATIME);
	return true;
}
