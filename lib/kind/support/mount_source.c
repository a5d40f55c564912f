/* Where the mounts come from that are not there: see mount_saving.h. */
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kind/support/mount_proc.h"
#include "kind/support/mount_saving.h"

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);

	return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* ---- what a container that has another root has left behind ---- */

static void leave(struct saving *saving, const struct mountinfo *mount, const char *root,
		  const char *point)
{
	array_grow(saving->left, saving->left_count);
	saving->left[saving->left_count++] = (struct mountinfo){
		.dev_major = mount->dev_major,
		.dev_minor = mount->dev_minor,
		.root = mem_string(root),
		.point = mem_string(point),
		.options = mem_string(""),
		.type = mem_string(mount->type),
		.source = mem_string(""),
		.super = mem_string(""),
	};
}

/* The mount of our own view that a path is in: the last of those with the longest way to it. */
static const struct mountinfo *find_host(const struct saving *saving, const char *path)
{
	const struct mountinfo *found = NULL;

	for (size_t i = 0; i < saving->host_count; i++) {
		const struct mountinfo *mount = &saving->host[i];

		if (path_below(path, mount->point) &&
		    (!found || strlen(mount->point) >= strlen(found->point)))
			found = mount;
	}
	return found;
}

/* `path` of the host was `point` in the container. */
void saving_leave_path(struct saving *saving, const char *path, const char *point)
{
	const struct mountinfo *host = find_host(saving, path);
	const char *rest = host ? path_below(path, host->point) : NULL;
	auto_free char *root = NULL;

	if (!rest)
		return;
	root = mem_printf("%s%s%s", strcmp(host->root, "/") == 0 && *rest ? "" : host->root,
			  *rest ? "/" : "", rest);
	leave(saving, host, root, point);
}

static void find_left(struct saving *saving)
{
	const struct mount_origin *origin = saving->origin;
	auto_free char *rootfs = origin->rootfs ? realpath(origin->rootfs, NULL) : NULL;
	char **points;
	size_t count;

	for (size_t i = 0; i < origin->own_count; i++)
		leave(saving, &origin->own[i], origin->own[i].root, origin->own[i].point);
	if (!rootfs)
		return;
	saving_leave_path(saving, rootfs, "/");
	points = mountinfo_points(true, &count);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(points[i], "/dev/", 5) == 0 && !mountinfo_made_options(points[i]))
			saving_leave_path(saving, points[i], points[i]);
		free(points[i]);
	}
	free(points);
}

/* Behind the mounts: places that others may be taken from. */
void saving_resize(struct saving *saving)
{
	size_t all = saving->count + saving->left_count;

	saving->saved = mem_resize(saving->saved, all, sizeof(*saving->saved));
	for (size_t i = saving->count; i < all; i++)
		saving->saved[i] = (struct saved){ .info = &saving->left[i - saving->count],
						   .parent = NONE,
						   .source = NONE,
						   .how = MOUNT_THERE };
}

void saving_add_left(struct saving *saving)
{
	find_left(saving);
	saving_resize(saving);
}

/* ---- where the others come from ---- */

static bool is_around(const struct saving *saving, size_t n, size_t other)
{
	ssize_t at = (ssize_t)n;

	while (at != NONE && at != (ssize_t)other)
		at = saving->saved[at].parent;
	return at != NONE;
}

/* Is another mount over its root, or over the way to it? Not one that is made again: that comes
 * when all that are there were found. */
static bool is_covered(const struct saving *saving, size_t n)
{
	for (size_t i = 0; i < saving->count; i++) {
		ssize_t at = (ssize_t)n;

		if (is_around(saving, n, i) ||
		    (saving->saved[i].is_done && saving->saved[i].how != MOUNT_THERE))
			continue;
		for (; at != NONE; at = saving->saved[at].parent) {
			const char *point = saving->mounts[at].point;

			if (saving->saved[i].parent == at &&
			    strcmp(saving->mounts[i].point, point) == 0)
				return true;
			if (saving->saved[i].parent == saving->saved[at].parent &&
			    saving->saved[at].parent != NONE &&
			    path_below(point, saving->mounts[i].point))
				return true;
		}
	}
	return false;
}

/* Is another mount on the way from the root of mount `n` to a path in it, by the time that this is
 * looked for? */
static bool is_blocked_way(const struct saving *saving, size_t n, const char *path)
{
	for (size_t i = 0; i < saving->order_count; i++) {
		size_t other = saving->order[i];
		const char *point = saving_point(saving, other);

		if (saving->saved[other].parent == (ssize_t)n && *point && path_below(path, point))
			return true;
	}
	return false;
}

static bool take_source(const struct saving *saving, size_t n, bool is_clear, struct saved *saved)
{
	const struct mountinfo *source = saving->saved[n].info;
	const char *rest;

	if (source->dev_major != saved->info->dev_major ||
	    source->dev_minor != saved->info->dev_minor)
		return false;
	rest = path_below(saved->info->root, source->root);
	if (!rest || (is_clear && is_blocked_way(saving, n, rest)))
		return false;
	saved->source = (ssize_t)n;
	saved->root = mem_string(rest);
	return true;
}

static bool find_before(const struct saving *saving, bool is_clear, struct saved *saved)
{
	for (size_t i = 0; i < saving->order_count; i++) {
		size_t n = saving->order[i];

		if (saving->saved[n].how == MOUNT_THERE && is_covered(saving, n))
			continue;
		if (take_source(saving, n, is_clear, saved))
			return true;
	}
	return false;
}

/* A mount before this one that shows the same part of the same file system. */
static bool find_source(const struct saving *saving, struct saved *saved)
{
	for (size_t i = 0; i < saving->node_count; i++) {
		if (take_source(saving, saving->count + i, false, saved))
			return true;
	}
	if (find_before(saving, true, saved) || find_before(saving, false, saved))
		return true;
	for (size_t i = 0; i < saving->left_count; i++) {
		if (take_source(saving, saving->count + i, false, saved))
			return true;
	}
	return false;
}

/* What is hidden by the host's own mounts is locked: whoever takes what is around it, has to take
 * it along, with what hides it. */
static bool comes_along(const struct saving *saving, const struct saved *saved)
{
	const struct saved *parent = saved->parent == NONE ? NULL : &saving->saved[saved->parent];

	if (!parent || (parent->how != MOUNT_BIND && !parent->is_along))
		return false;
	for (size_t i = 0; i < saving->order_count; i++) {
		const struct saved *source = &saving->saved[saving->order[i]];
		const struct mountinfo *info = source->info;

		if (source->how == MOUNT_THERE && info->dev_major == saved->info->dev_major &&
		    info->dev_minor == saved->info->dev_minor &&
		    strcmp(info->root, saved->info->root) == 0 &&
		    strcmp(info->options, saved->info->options) == 0 &&
		    (parent->is_along || is_covered(saving, saving->order[i])))
			return true;
	}
	return false;
}

static bool is_of_host(const struct saving *saving, const struct mountinfo *mount)
{
	for (size_t i = 0; i < saving->host_count; i++) {
		if (saving->host[i].dev_major == mount->dev_major &&
		    saving->host[i].dev_minor == mount->dev_minor)
			return true;
	}
	return false;
}

static bool is_same_device(const struct mountinfo *one, const struct mountinfo *other)
{
	return one->dev_major == other->dev_major && one->dev_minor == other->dev_minor;
}

/* A part of the host's hierarchy, where an engine had put the container's cgroup. That one is gone
 * by the time of a restore: the new cgroup is to be there. */
static bool is_cgroup_of_engine(const struct saving *saving, const struct mountinfo *mount)
{
	if (!saving->origin->is_foreign || strcmp(mount->type, "cgroup2") != 0 ||
	    strcmp(mount->root, "/") == 0)
		return false;
	for (size_t i = 0; i < saving->order_count; i++) {
		const struct saved *other = &saving->saved[saving->order[i]];

		if (other->how == MOUNT_FILESYSTEM && is_same_device(other->info, mount) &&
		    strcmp(other->info->root, "/") != 0 &&
		    path_below(mount->root, other->info->root))
			return false;
	}
	return true;
}

/* Does another mount show a part of this new file system that is not below this mount's root? */
static bool is_split(const struct saving *saving, const struct mountinfo *mount)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct mountinfo *other = &saving->mounts[i];

		if (other->dev_major == mount->dev_major && other->dev_minor == mount->dev_minor &&
		    !path_below(other->root, mount->root))
			return true;
	}
	return false;
}

static int save_filesystem(struct saving *saving, struct saved *saved)
{
	const struct mountinfo *mount = saved->info;
	bool is_tmpfs = strcmp(mount->type, "tmpfs") == 0;
	auto_free char *stranger = NULL;
	auto_free char *reason = NULL;

	if (!mount_type_is_known(mount->type))
		return saving_block(saving, mount, "unmount it in the container", NULL);
	/* The root of a cgroup2 is where its namespace begins, seen from ours. */
	if (!is_tmpfs && strcmp(mount->type, "cgroup2") != 0 && strcmp(mount->root, "/") != 0)
		return saving_block(saving, mount, NULL,
				    "a part of a file system that is not mounted");
	if (strcmp(mount->type, "overlay") == 0 && saving->left_count > saving->node_count)
		return saving_block(saving, mount, NULL,
				    "its directories may be of the former root");
	if (!is_cgroup_of_engine(saving, mount) && is_split(saving, mount))
		return saving_block(saving, mount, NULL, "two parts of one file system");
	if (!mount_options_filter(mount->type, mount->super, &saved->options, &stranger)) {
		reason = mem_printf("option %s", stranger);
		return saving_block(saving, mount, NULL, reason);
	}
	if (strcmp(mount->type, "proc") == 0 &&
	    !mount_proc_find(saving->d, saving->proc, mount, &saved->content))
		return saving_block(saving, mount, NULL,
				    "it is not known whose processes it shows");
	saved->how = MOUNT_FILESYSTEM;
	saved->root = mem_string(is_tmpfs ? mount->root + 1 : "");
	if (is_tmpfs)
		saved->content = dump_new_id(saving->d);
	return 0;
}

int saving_find_how(struct saving *saving, struct saved *saved)
{
	const struct mountinfo *mount = saved->info;

	if (has_suffix(mount->root, "//deleted") || has_suffix(mount->point, "//deleted"))
		return saving_block(saving, mount, NULL, "its directory is gone");
	if (saved->parent == NONE && !saved->is_root)
		return saving_block(saving, mount, NULL, "it is on a mount that cannot be seen");
	if (saved->parent != NONE && saving->saved[saved->parent].is_root &&
	    *saving_point(saving, (size_t)(saved - saving->saved)) == '\0')
		return saving_block(saving, mount, NULL, "it is over the root");
	if (is_cgroup_of_engine(saving, mount))
		return save_filesystem(saving, saved);
	saved->is_along = comes_along(saving, saved);
	if (saved->is_along || find_source(saving, saved)) {
		saved->how = MOUNT_BIND;
		return 0;
	}
	if (saved->parent != NONE && saving->saved[saved->parent].is_along)
		return saving_block(saving, mount, NULL, "it is on a hidden one");
	if (strcmp(mount->type, "cgroup2") == 0 || !is_of_host(saving, mount))
		return save_filesystem(saving, saved);
	saved->how = MOUNT_NAMED;
	if (saved->is_root)
		return saving_block(saving, mount, NULL, "another root of the host's");
	return 0;
}
