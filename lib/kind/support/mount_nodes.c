/* Device nodes in a container's /dev. An engine of root's makes them there; we put those of the
 * host over empty files, which an ordinary user can do. See mount_saving.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "container/parts.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/mount_saving.h"

bool device_is_common(const char *name, dev_t device)
{
	auto_free char *path = mem_printf("/dev/%s", name);
	struct stat stat;

	for (size_t i = 0; mount_devices[i]; i++) {
		if (strcmp(mount_devices[i], name) == 0)
			return lstat(path, &stat) == 0 && S_ISCHR(stat.st_mode) &&
			       stat.st_rdev == device;
	}
	return false;
}

static const struct mountinfo *find_mount(const struct saving *saving, const char *point)
{
	const struct mountinfo *found = NULL;

	for (size_t i = 0; i < saving->count; i++) {
		if (strcmp(saving->mounts[i].point, point) == 0)
			found = &saving->mounts[i];
	}
	return found;
}

static void add_node(struct saving *saving, const struct mountinfo *dev, const char *name)
{
	auto_free char *place = mem_printf("root/dev/%s", name);
	auto_free char *point = mem_printf("/dev/%s", name);
	struct stat stat;

	if (find_mount(saving, point) ||
	    fstatat(saving->proc, place, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISCHR(stat.st_mode) || !device_is_common(name, stat.st_rdev))
		return;
	array_grow(saving->left, saving->left_count);
	saving->left[saving->left_count++] = (struct mountinfo){
		.dev_major = dev->dev_major,
		.dev_minor = dev->dev_minor,
		.root = mem_printf("/%s", name),
		.point = mem_string(point),
		.options = mem_string(""),
		.type = mem_string(dev->type),
		.source = mem_string(""),
		.super = mem_string(""),
	};
	/* An engine may have covered other files with the host's own. */
	saving_leave_path(saving, point, point);
}

void saving_add_nodes(struct saving *saving)
{
	const struct mountinfo *dev = find_mount(saving, "/dev");

	if (!dev || !mountinfo_is_made(dev, true))
		return;
	for (size_t i = 0; mount_devices[i]; i++)
		add_node(saving, dev, mount_devices[i]);
	saving->node_count = saving->left_count;
	saving_resize(saving);
}

bool saving_has_node(const struct saving *saving, const char *point)
{
	for (size_t i = 0; i < saving->node_count; i++) {
		if (strcmp(saving->left[i].point, point) == 0)
			return true;
	}
	return false;
}
