/* Options of mounts, as config.json has them. See bundle.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/bundle.h"

struct attribute {
	const char *name;
	uint64_t set;
	uint64_t cleared;
};

static const struct attribute attributes[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "atime", 0, MOUNT_ATTR__ATIME },
	{ "norelatime", 0, MOUNT_ATTR__ATIME },
	{ "nostrictatime", 0, MOUNT_ATTR__ATIME },
};

static const struct {
	const char *name;
	uint64_t flag;
} propagations[] = {
	{ "private", MS_PRIVATE },	 { "rprivate", MS_PRIVATE },	   { "slave", MS_SLAVE },
	{ "rslave", MS_SLAVE },		 { "shared", MS_SHARED },	   { "rshared", MS_SHARED },
	{ "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE },
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static bool take_attribute(const char *option, uint64_t *flags)
{
	for (size_t i = 0; i < LENGTH(attributes); i++) {
		if (strcmp(attributes[i].name, option) == 0) {
			*flags = (*flags & ~attributes[i].cleared) | attributes[i].set;
			return true;
		}
	}
	return false;
}

static bool take_propagation(const char *option, uint64_t *propagation)
{
	for (size_t i = 0; i < LENGTH(propagations); i++) {
		if (strcmp(propagations[i].name, option) == 0) {
			*propagation = propagations[i].flag;
			return true;
		}
	}
	return false;
}

/* Words for mount(8), or for an engine. What a new directory would be filled with is in the image.
 */
static bool is_idle(const char *option)
{
	static const char *const words[] = { "defaults", "async",      "noiversion", "silent",
					     "loud",	 "tmpcopyup",  "nomand",     "copy",
					     "nocopy",	 "newinstance" };

	for (size_t i = 0; i < LENGTH(words); i++) {
		if (strcmp(words[i], option) == 0)
			return true;
	}
	return false;
}

static int take_option(const char *option, struct mount_wish *wish, struct buf *data,
		       struct err *err)
{
	if (strcmp(option, "bind") == 0 || strcmp(option, "rbind") == 0) {
		wish->is_bind = true;
		wish->is_deep |= option[0] == 'r';
		return 0;
	}
	if (strcmp(option, "idmap") == 0 || strcmp(option, "ridmap") == 0 ||
	    strcmp(option, "remount") == 0)
		return err_set(err, ERR_REFUSED, "option %s is not supported", option);
	/* "rro" is "ro", for all below. */
	if (take_attribute(option, &wish->attributes) ||
	    take_propagation(option, &wish->propagation) || is_idle(option) ||
	    (option[0] == 'r' && take_attribute(option + 1, &wish->deep_attributes)))
		return 0;
	buf_printf(data, "%s%s", data->size ? "," : "", option);
	return 0;
}

int mount_wish_read(const struct oci_mount *mount, struct mount_wish *ret_wish, struct err *err)
{
	struct mount_wish wish = { .is_bind = mount->type && strcmp(mount->type, "bind") == 0 };
	auto_buf struct buf data = BUF_EMPTY;
	int r = 0;

	for (size_t i = 0; r == 0 && i < mount->options.count; i++)
		r = take_option(mount->options.list[i], &wish, &data, err);
	if (r < 0)
		return r;
	wish.attributes |= wish.deep_attributes;
	wish.data = mem_string(data.data ? data.data : "");
	*ret_wish = wish;
	return 0;
}

void mount_wish_free(struct mount_wish *wish)
{
	free(wish->data);
}
