/* Nodes in the /dev of a bundle's container. See bundle_making.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "oci/bundle_making.h"
#include "oci/bundle_place.h"

const char *const bundle_nodes[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };

/* Nodes cannot be made in a user namespace; those of the host can be mounted over files. */
static int bind_node(const struct making *making, const char *source, const char *point,
		     struct err *err)
{
	auto_close int tree = -1;
	auto_close int place = -1;
	bool is_deep = false;
	int r = place_take(AT_FDCWD, source, &is_deep, &tree, err);

	if (r == 0)
		r = place_make(making->root, point, false, &place, err);
	return r < 0 ? r : place_attach(tree, place, err);
}

static bool is_node(const char *path, const struct oci_device *device)
{
	struct stat stat;

	return lstat(path, &stat) == 0 &&
	       (device->type == 'b' ? S_ISBLK(stat.st_mode) : S_ISCHR(stat.st_mode)) &&
	       stat.st_rdev == makedev(device->major, device->minor);
}

static int make_device(const struct making *making, const struct oci_device *device,
		       struct err *err)
{
	auto_free char *link = mem_printf("/dev/%s/%u:%u", device->type == 'b' ? "block" : "char",
					  device->major, device->minor);
	auto_free char *found = realpath(link, NULL);

	if (device->type == 'p')
		return err_set(err, ERR_REFUSED, "a fifo as a device is not supported");
	if (is_node(device->path, device))
		return bind_node(making, device->path, device->path, err);
	if (found && is_node(found, device))
		return bind_node(making, found, device->path, err);
	return err_set(err, ERR_HOST, "this host has no node of %c %u:%u", device->type,
		       device->major, device->minor);
}

static bool is_usual(const char *path)
{
	const char *name = path;

	if (!scan_text(&name, "/dev/"))
		return false;
	for (size_t i = 0; bundle_nodes[i]; i++) {
		if (strcmp(bundle_nodes[i], name) == 0)
			return true;
	}
	return false;
}

/* One of the host's has all that it should. */
static bool has_host_dev(const struct oci_config *config)
{
	bool is_bind = false;

	for (size_t i = 0; i < config->mount_count; i++) {
		struct err ignored;
		struct mount_wish wish;

		if (strcmp(config->mounts[i].point, "/dev") != 0 ||
		    mount_wish_read(&config->mounts[i], &wish, &ignored) < 0)
			continue;
		is_bind = wish.is_bind;
		mount_wish_free(&wish);
	}
	return is_bind;
}

static int make_links(const struct making *making, struct err *err)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "pts/ptmx", "ptmx" },
	};
	auto_close int dev = -1;
	int r = place_make(making->root, "/dev", true, &dev, err);

	for (size_t i = 0; r == 0 && i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i][0], dev, links[i][1]) < 0 && errno != EEXIST)
			r = err_set(err, -errno, "create /dev/%s", links[i][1]);
	}
	return r;
}

int making_devices(const struct making *making, struct err *err)
{
	const struct oci_config *config = making->config;
	int r = 0;

	if (!has_host_dev(config)) {
		for (size_t i = 0; r == 0 && bundle_nodes[i]; i++) {
			auto_free char *path = mem_printf("/dev/%s", bundle_nodes[i]);

			r = bind_node(making, path, path, err);
		}
		if (r == 0)
			r = make_links(making, err);
	}
	for (size_t i = 0; r == 0 && i < config->device_count; i++) {
		if (is_usual(config->devices[i].path))
			continue;
		r = make_device(making, &config->devices[i], err);
		if (r < 0)
			return err_wrap(err, "device %s", config->devices[i].path);
	}
	return r;
}

/* The terminal is in the container's devpts by now. */
int making_console(const struct bundle_mounts *mounts, struct err *err)
{
	int master = mounts->rs->own->shared->console;
	struct making making = { .root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	auto_close int root = making.root;
	auto_free char *path = NULL;
	unsigned int number;

	if (!mounts->bundle->config->has_terminal || master < 0)
		return 0;
	if (root < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return err_set(err, -errno, "ask a terminal for its number");
	path = mem_printf("/dev/pts/%u", number);
	return bind_node(&making, path, "/dev/console", err);
}
