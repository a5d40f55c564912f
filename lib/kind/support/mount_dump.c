/* From mountinfo to the list of mounts that restore makes. See mount_dump.h.
 *
 * A mount is there already when the container is made (ctckpt's own, the host's), or a new file
 * system, or a part of another mount of the list, or the host's, which the invoker has to name. */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/cleanup.h"
#include "kind/support/mount_saving.h"

enum { NAMESPACE_MAX = 8192 };

static void saving_free(struct saving *saving)
{
	for (size_t i = 0; saving->saved && i < saving->count + saving->left_count; i++) {
		free(saving->saved[i].root);
		free(saving->saved[i].options);
	}
	free(saving->saved);
	free(saving->order);
	free(saving->is_used);
	mountinfo_free(saving->mounts, saving->count);
	mountinfo_free(saving->host, saving->host_count);
	mountinfo_free(saving->left, saving->left_count);
}

const char *path_below(const char *path, const char *top)
{
	size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

	if (strncmp(path, top, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

const char *saving_point(const struct saving *saving, size_t n)
{
	const struct saved *saved = &saving->saved[n];
	const char *point;

	if (saved->parent == NONE)
		return "";
	point = path_below(saved->info->point, saving->saved[saved->parent].info->point);
	return point ? point : "";
}

int saving_block(struct saving *saving, const struct mountinfo *mount, const char *remedy,
		 const char *reason)
{
	saving->is_blocked = true;
	return dump_block(saving->d, remedy, "mount %s (%s) is not supported%s%s", mount->point,
			  mount->type, reason ? ": " : "", reason ? reason : "");
}

/* ---- order ---- */

static void find_parents(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++) {
		struct saved *saved = &saving->saved[i];

		saved->info = &saving->mounts[i];
		saved->parent = NONE;
		saved->source = NONE;
		for (size_t j = 0; j < saving->count; j++) {
			if (j != i && saving->mounts[j].id == saved->info->parent)
				saved->parent = (ssize_t)j;
		}
		saved->is_root = saved->parent == NONE && strcmp(saved->info->point, "/") == 0;
	}
}

/* Nothing is still to come that would then be beyond this one. */
static bool is_next(const struct saving *saving, size_t n)
{
	const struct saved *saved = &saving->saved[n];

	if (saved->parent != NONE && !saving->saved[saved->parent].is_done)
		return false;
	for (size_t i = 0; i < saving->count; i++) {
		const char *deeper;

		if (i == n || saving->saved[i].is_done || saving->saved[i].parent != saved->parent)
			continue;
		deeper = path_below(saving->mounts[i].point, saved->info->point);
		if (deeper && *deeper)
			return false;
	}
	return true;
}

/* ---- what is there ---- */

static bool is_rootfs(const struct saving *saving, int proc, bool *ret_is_changed)
{
	const char *path = saving->origin->rootfs;
	auto_close int wanted = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	auto_close int found = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statvfs wanted_fs;
	struct statvfs found_fs;
	struct stat wanted_stat;
	struct stat found_stat;

	if (wanted < 0 || found < 0 || fstat(wanted, &wanted_stat) < 0 ||
	    fstat(found, &found_stat) < 0 || fstatvfs(wanted, &wanted_fs) < 0 ||
	    fstatvfs(found, &found_fs) < 0)
		return false;
	*ret_is_changed = wanted_fs.f_flag != found_fs.f_flag;
	return wanted_stat.st_dev == found_stat.st_dev && wanted_stat.st_ino == found_stat.st_ino;
}

/* One of those that the namespace was copied with. */
static bool is_own(struct saving *saving, struct saved *saved)
{
	const struct mountinfo *mount = saved->info;

	for (size_t i = 0; i < saving->origin->own_count; i++) {
		const struct mountinfo *own = &saving->origin->own[i];

		if (saving->is_used[i] || own->dev_major != mount->dev_major ||
		    own->dev_minor != mount->dev_minor || strcmp(own->root, mount->root) != 0 ||
		    strcmp(own->point, mount->point) != 0 || strcmp(own->type, mount->type) != 0)
			continue;
		saving->is_used[i] = true;
		saved->is_changed = strcmp(own->options, mount->options) != 0;
		return true;
	}
	return false;
}

/* The first that is like one of ours; others over it are somebody else's. */
static bool is_made(const struct saving *saving, struct saved *saved)
{
	const struct mount_origin *origin = saving->origin;
	const char *options = mountinfo_made_options(saved->info->point);

	if ((!origin->has_root && !origin->has_made) ||
	    !mountinfo_is_made(saved->info, origin->has_root))
		return false;
	for (size_t i = 0; i < saving->order_count; i++) {
		const struct saved *other = &saving->saved[saving->order[i]];

		if (other->is_made && strcmp(other->info->point, saved->info->point) == 0)
			return false;
	}
	saved->is_made = true;
	saved->is_changed = options && strcmp(options, saved->info->options) != 0;
	return true;
}

static bool is_there(struct saving *saving, struct saved *saved, int proc)
{
	if (saved->is_root && saving->origin->has_root) {
		saved->is_changed = saving->origin->is_foreign;
		return is_rootfs(saving, proc, &saved->is_changed) || saving->origin->is_foreign;
	}
	if (saved->parent != NONE && saving->saved[saved->parent].how != MOUNT_THERE)
		return false;
	return is_own(saving, saved) || (saved->parent != NONE && is_made(saving, saved));
}

/* ---- what all have ---- */

static int find_attributes(struct saving *saving, struct saved *saved)
{
	auto_free char *stranger = NULL;

	if (!mount_attributes_parse(saved->info->options, &saved->attributes))
		return saving_block(saving, saved->info, NULL, saved->info->options);
	/* Nobody can write to a file system that is read-only as a whole. */
	if (saved->how == MOUNT_FILESYSTEM &&
	    (strcmp(saved->info->super, "ro") == 0 || strncmp(saved->info->super, "ro,", 3) == 0))
		saved->attributes |= MOUNT_ATTR_RDONLY;
	/* Ours: its size may be another. */
	if (saved->how == MOUNT_THERE && saving->origin->has_root && !saved->is_root &&
	    strcmp(saved->info->type, "tmpfs") == 0) {
		saved->content = dump_new_id(saving->d);
		if (!mount_options_filter("tmpfs", saved->info->super, &saved->options, &stranger))
			return saving_block(saving, saved->info, NULL, stranger);
	}
	return 0;
}

static void order_mount(struct saving *saving, size_t n, int proc)
{
	if (is_there(saving, &saving->saved[n], proc)) {
		saving->saved[n].how = MOUNT_THERE;
	} else {
		if (saving->saved[n].is_root)
			saving_add_left(saving);
		(void)saving_find_how(saving, &saving->saved[n]);
	}
	(void)find_attributes(saving, &saving->saved[n]);
	saving->order[saving->order_count++] = n;
	saving->saved[n].is_done = true;
}

static int order_mounts(struct saving *saving, int proc)
{
	bool is_going_on = true;

	while (is_going_on) {
		is_going_on = false;
		for (size_t i = 0; i < saving->count; i++) {
			if (saving->saved[i].is_done || !is_next(saving, i))
				continue;
			order_mount(saving, i, proc);
			is_going_on = true;
		}
	}
	return saving->order_count == saving->count ? 0 : -ELOOP;
}

bool saving_has_group(const struct saving *saving, uint32_t group)
{
	for (size_t i = 0; i < saving->count; i++) {
		if (saving->mounts[i].group == group)
			return true;
	}
	return false;
}

/* With the namespace that this one is a copy of. */
static bool is_shared(const struct saving *saving, uint32_t group)
{
	for (size_t i = 0; i < saving->origin->own_count; i++) {
		if (saving->origin->own[i].group == group)
			return true;
	}
	return false;
}

/* Engines leave the root, and what they take from the host, slaves of the host's mounts. */
static bool is_followed(const struct saving *saving, const struct mountinfo *mount)
{
	bool is_ours = saving->d->ns && (is_shared(saving, mount->master) ||
					 (mount->group && is_shared(saving, mount->group)));

	if (!saving->origin->may_follow || is_ours)
		return false;
	if (mount->master && !saving_has_group(saving, mount->master))
		return true;
	for (size_t i = 0; mount->group && i < saving->host_count; i++) {
		if (saving->host[i].group == mount->group)
			return true;
	}
	return false;
}

/* There are none on a proc that comes late, and it is nobody's peer. */
static void check_late(struct saving *saving, size_t n)
{
	const struct saved *saved = &saving->saved[n];
	size_t count = 0;

	for (size_t i = 0; i < saving->count; i++) {
		const struct saved *other = &saving->saved[i];
		bool is_late = other->how == MOUNT_FILESYSTEM && other->content &&
			       strcmp(other->info->type, "proc") == 0;

		count += is_late;
		if (is_late && i != n)
			continue;
		if (other->parent == (ssize_t)n || other->source == (ssize_t)n)
			(void)saving_block(saving, other->info, NULL,
					   "it is on, or of, the proc of a pid namespace");
	}
	if (count > 1)
		(void)saving_block(saving, saved->info, NULL,
				   "a second proc of a pid namespace in one mount namespace");
	if (saved->info->group || saved->info->master)
		(void)saving_block(saving, saved->info, NULL, "it is shared");
}

static void check_lates(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct saved *saved = &saving->saved[i];

		if (saved->how == MOUNT_FILESYSTEM && saved->content &&
		    strcmp(saved->info->type, "proc") == 0)
			check_late(saving, i);
	}
}

static void check_propagation(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct mountinfo *mount = &saving->mounts[i];
		struct saved *saved = &saving->saved[i];

		saved->is_followed = is_followed(saving, mount);
		if (mount->master && !saving_has_group(saving, mount->master) &&
		    !saved->is_followed)
			(void)saving_block(saving, mount, NULL, "a slave of a mount outside");
		if (saving->d->ns && mount->group && is_shared(saving, mount->group))
			(void)saving_block(
			    saving, mount, NULL,
			    "what is mounted on it is mounted in the container, too");
	}
}

/* ---- both ---- */

static int read_all(struct saving *saving, int proc, struct err *err)
{
	int r = mountinfo_read(proc, "mountinfo", &saving->mounts, &saving->count, err);

	if (r == 0)
		r = mountinfo_read(AT_FDCWD, "/proc/self/mountinfo", &saving->host,
				   &saving->host_count, err);
	if (r < 0)
		return r;
	if (saving->count > NAMESPACE_MAX) {
		saving->is_blocked = true;
		return dump_block(saving->d, NULL, "%zu mounts are not supported", saving->count);
	}
	saving->saved = mem_alloc(saving->count, sizeof(*saving->saved));
	saving->order = mem_alloc(saving->count, sizeof(*saving->order));
	saving->is_used = mem_alloc(saving->origin->own_count + 1, sizeof(*saving->is_used));
	if (saving->origin->has_root)
		saving_add_nodes(saving);
	return 0;
}

int mount_dump(struct dump *d, const struct kind *kind, uint32_t id, int proc,
	       const struct mount_origin *origin, struct err *err)
{
	auto_with(saving_free) struct saving saving = { .d = d, .proc = proc, .origin = origin };
	int r = read_all(&saving, proc, err);

	if (r < 0 || saving.is_blocked)
		return r;
	find_parents(&saving);
	r = order_mounts(&saving, proc);
	if (r < 0)
		return err_set(err, r, "mounts");
	check_propagation(&saving);
	check_lates(&saving);
	if (saving.is_blocked)
		return 0;
	r = saving_take_trees(&saving, proc, err);
	if (r == 0)
		saving_write(&saving, kind, id);
	return r;
}
