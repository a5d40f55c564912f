/* Single steps of mounting. See mount_make.h. */
#include "kind/support/mount_make.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/sys.h"

#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100 /* 5.15 */
#endif

/* ---- file systems ---- */

/* Up to the next comma that no backslash precedes: those in front of commas are taken away. */
static char *take_option(const char **at)
{
	char *option = mem_string(*at);
	char *out = option;
	const char *in = *at;

	while (*in && *in != ',') {
		if (in[0] == '\\' && in[1] == ',')
			in++;
		else if (in[0] == '\\' && in[1])
			*out++ = *in++;
		*out++ = *in++;
	}
	*out = '\0';
	*at = *in ? in + 1 : in;
	return option;
}

static int set_options(int context, const char *options, char **ret_failed)
{
	while (*options) {
		auto_free char *key = take_option(&options);
		char *value = strchr(key, '=');
		int r;

		if (value)
			*value++ = '\0';
		r = fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value,
			     0);
		if (r < 0) {
			r = -errno;
			*ret_failed = take_ptr(key);
			return r;
		}
	}
	return 0;
}

/* ---- the directories of an overlay ---- */

static bool is_directories(const char *key)
{
	static const char *const keys[] = { "lowerdir", "lowerdir+", "datadir+", "upperdir",
					    "workdir" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

/* The next of those that colons separate, without backslashes. Owned; NULL: there is none. */
static char *take_directory(const char **at)
{
	const char *in = *at + strspn(*at, ":");
	char *path = mem_string(in);
	char *out = path;

	while (*in && *in != ':') {
		in += in[0] == '\\' && in[1];
		*out++ = *in++;
	}
	*out = '\0';
	*at = in;
	if (path[0])
		return path;
	free(path);
	return NULL;
}

/* Whatever the kernel follows is in the container's file system: a link of /proc could lead to what
 * we have open, and which the container does not have. */
static int check_directories(const char *value, struct err *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_MAGICLINKS };
	char *path;

	while ((path = take_directory(&value))) {
		auto_free char *name = path;
		auto_close int fd = sys_openat2(AT_FDCWD, name, &how);

		if (fd < 0)
			return err_set(err, -errno, "open directory %s", name);
	}
	return 0;
}

static int check_overlay(const char *options, struct err *err)
{
	int r = 0;

	while (r == 0 && *options) {
		auto_free char *key = take_option(&options);
		char *value = strchr(key, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (is_directories(key))
			r = check_directories(value, err);
	}
	return r;
}

/* ---- new ones ---- */

static int create(const char *type, const char *device, const char *options, bool has_tty_group,
		  int *ret_context, struct err *err)
{
	auto_close int context = fsopen(type, FSOPEN_CLOEXEC);
	auto_free char *failed = NULL;
	int r;

	if (context < 0)
		return err_set(err, -errno, "open file system %s", type);
	(void)fsconfig(context, FSCONFIG_SET_STRING, "source", device[0] ? device : "none", 0);
	r = set_options(context, options, &failed);
	if (r < 0)
		return err_set(err, r, "set option %s of %s", failed, type);
	if (has_tty_group)
		(void)fsconfig(context, FSCONFIG_SET_STRING, "gid", "5", 0);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(err, -errno, "create file system %s", type);
	*ret_context = take_fd(&context);
	return 0;
}

int mount_new(const char *type, const char *device, const char *options, int *ret_mount,
	      struct err *err)
{
	bool is_devpts = strcmp(type, "devpts") == 0;
	auto_close int context = -1;
	int r = strcmp(type, "overlay") == 0 ? check_overlay(options, err) : 0;

	if (r == 0)
		r = create(type, device, options, is_devpts, &context, err);
	/* Terminals belong to the group that the container's own ones belong to, if this user
	 * namespace has it: older kernels find out too late to go on without. */
	if (r == -EINVAL && is_devpts)
		r = create(type, device, options, false, &context, err);
	if (r < 0)
		return r;
	*ret_mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (*ret_mount < 0)
		return err_set(err, -errno, "mount file system %s", type);
	return 0;
}

int mount_change_options(int mount, const char *options)
{
	auto_close int context = -1;
	auto_free char *failed = NULL;
	int r;

	context = fspick(mount, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (context < 0)
		return -errno;
	r = set_options(context, options, &failed);
	if (r < 0)
		return r;
	return fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mount_make_path(int dir, const char *path, int *ret_dir, struct err *err)
{
	auto_close int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	size_t length;

	for (; at >= 0 && *path; path += length + (path[length] == '/')) {
		auto_free char *name = NULL;
		int next;

		length = strcspn(path, "/");
		name = mem_copy(path, length);
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "create %s", name);
		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_set(err, -errno, "open %s", name);
		(void)close(at);
		at = next;
	}
	if (at < 0)
		return err_set(err, -errno, "duplicate a descriptor");
	*ret_dir = take_fd(&at);
	return 0;
}

/* ---- attributes ---- */

int mount_set_attributes(int mount, uint32_t attributes, bool *ret_is_stricter)
{
	uint32_t cleared = MOUNT_ATTRIBUTES & ~(uint32_t)MOUNT_ATTR__ATIME & ~attributes;
	struct mount_attr change = {
		.attr_set = attributes,
		.attr_clr = cleared | MOUNT_ATTR__ATIME,
	};

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &change, sizeof(change)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	/* Some came with what it was taken from, and are locked. */
	*ret_is_stricter = true;
	change.attr_clr = 0;
	change.attr_set = attributes & ~(uint32_t)MOUNT_ATTR__ATIME;
	return mount_setattr(mount, "", AT_EMPTY_PATH, &change, sizeof(change)) < 0 ? -errno : 0;
}

/* ---- propagation ---- */

static int change_propagation(int mount, uint64_t propagation, struct err *err)
{
	struct mount_attr change = { .propagation = propagation };

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &change, sizeof(change)) < 0)
		return err_set(err, -errno, "set propagation");
	return 0;
}

/* The member of a group that has what the others have, and more. */
static size_t leader_of(const struct mount_list *list, uint32_t group)
{
	size_t leader = list->count;

	for (size_t i = 0; i < list->count; i++) {
		if (list->entries[i].group == group &&
		    (leader == list->count ||
		     strlen(list->entries[i].root) < strlen(list->entries[leader].root)))
			leader = i;
	}
	return leader;
}

static int join(const int *roots, size_t leader, size_t n, struct err *err)
{
	if (move_mount(roots[leader], "", roots[n], "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP) <
	    0)
		return err_set(err, -errno, "share mount events");
	return 0;
}

/* A slave joins its masters, and then only listens to them. */
static int set_one(const struct mount_list *list, const int *roots, size_t n, struct err *err)
{
	const struct mount_entry *entry = &list->entries[n];
	size_t leader = entry->group ? leader_of(list, entry->group) : n;
	int r = 0;

	if (leader != n)
		return join(roots, leader, n, err);
	if (entry->master) {
		r = join(roots, leader_of(list, entry->master), n, err);
		if (r == 0)
			r = change_propagation(roots[n], MS_SLAVE, err);
	}
	if (r == 0 && entry->group)
		r = change_propagation(roots[n], MS_SHARED, err);
	if (r == 0 && entry->propagation & MOUNT_UNBINDABLE)
		r = change_propagation(roots[n], MS_UNBINDABLE, err);
	return r;
}

/* Leaders and slaves when those are done that they join. */
static bool is_ready(const struct mount_list *list, const bool *is_done, size_t n)
{
	const struct mount_entry *entry = &list->entries[n];
	size_t leader = entry->group ? leader_of(list, entry->group) : n;

	if (leader != n)
		return is_done[leader];
	return entry->master == 0 || is_done[leader_of(list, entry->master)];
}

int mount_set_propagation(const struct mount_list *list, const int *roots, struct err *err)
{
	auto_free bool *is_done = mem_alloc(list->count + 1, sizeof(*is_done));
	bool is_going_on = true;

	while (is_going_on) {
		is_going_on = false;
		for (size_t i = 0; i < list->count; i++) {
			int r;

			if (is_done[i] || list->entries[i].how == MOUNT_GONE ||
			    !is_ready(list, is_done, i))
				continue;
			r = set_one(list, roots, i, err);
			if (r < 0)
				return r;
			is_done[i] = true;
			is_going_on = true;
		}
	}
	for (size_t i = 0; i < list->count; i++) {
		if (!is_done[i] && list->entries[i].how != MOUNT_GONE)
			return err_set(err, ERR_DAMAGED, "mounts: masters in a circle");
	}
	return 0;
}
