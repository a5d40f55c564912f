/* From mountinfo to the list of mounts that restore makes. See mount_dump.h.
 *
 * A mount is there already when the container is made (ctckpt's own, the host's), or a new file
 * system, or a part of another mount of the list, or the host's, which the invoker has to name. */
#include "kind/support/mount_dump.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/cleanup.h"
#include "kind/support/mount_record.h"
#include "kind/support/mount_take.h"
#include "kind/support/tree_record.h"

enum { NONE = -1, NAMESPACE_MAX = 8192 };

struct saved {
	const struct mountinfo *info;
	ssize_t parent; /* number in the same array */
	enum mount_how how;
	bool is_done;	 /* it has its place in the order */
	bool is_root;	 /* of the task */
	bool is_needed;	 /* something of the list refers to it */
	bool is_changed; /* there, with other attributes */
	bool is_made;	 /* there, by ctckpt */
	bool is_along;	 /* it comes with the mount that it is on */
	ssize_t source;
	char *root;    /* owned: below the source, or in the file system */
	char *options; /* owned */
	uint32_t attributes;
	uint32_t content;
	uint32_t number; /* in the record */
};

struct saving {
	struct dump *d;
	const struct mount_origin *origin;
	struct mountinfo *mounts; /* owned */
	size_t count;
	struct mountinfo *host; /* owned: our own */
	size_t host_count;
	struct mountinfo *left; /* owned: what a container that has another root has left behind */
	size_t left_count;
	struct saved *saved; /* owned: of the mounts, then of those left behind */
	size_t *order;	     /* owned */
	size_t order_count;
	bool *is_used; /* owned: of the origin's mounts, which are there */
	bool is_blocked;
};

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

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text);

	return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* "a/b" for "/x/a/b" below "/x", "" for "/x" itself; NULL if it is elsewhere. */
static const char *below(const char *path, const char *top)
{
	size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

	if (strncmp(path, top, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

static const char *point_of(const struct saving *saving, size_t n)
{
	const struct saved *saved = &saving->saved[n];
	const char *point;

	if (saved->parent == NONE)
		return "";
	point = below(saved->info->point, saving->saved[saved->parent].info->point);
	return point ? point : "";
}

static int block(struct saving *saving, const struct mountinfo *mount, const char *remedy,
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
		deeper = below(saving->mounts[i].point, saved->info->point);
		if (deeper && *deeper)
			return false;
	}
	return true;
}

/* ---- what is there ---- */

static bool is_rootfs(const struct saving *saving, int proc, bool *ret_is_changed)
{
	auto_close int wanted = open(saving->origin->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
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

	if ((!origin->rootfs && !origin->has_made) ||
	    !mountinfo_is_made(saved->info, origin->rootfs != NULL))
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
	if (saved->is_root && saving->origin->rootfs)
		return is_rootfs(saving, proc, &saved->is_changed);
	if (saved->parent != NONE && saving->saved[saved->parent].how != MOUNT_THERE)
		return false;
	return is_own(saving, saved) || (saved->parent != NONE && is_made(saving, saved));
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

		if (below(path, mount->point) &&
		    (!found || strlen(mount->point) >= strlen(found->point)))
			found = mount;
	}
	return found;
}

/* `path` of the host was `point` in the container. */
static void leave_path(struct saving *saving, const char *path, const char *point)
{
	const struct mountinfo *host = find_host(saving, path);
	const char *rest = host ? below(path, host->point) : NULL;
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
	leave_path(saving, rootfs, "/");
	points = mountinfo_points(true, &count);
	for (size_t i = 0; i < count; i++) {
		if (strncmp(points[i], "/dev/", 5) == 0 && !mountinfo_made_options(points[i]))
			leave_path(saving, points[i], points[i]);
		free(points[i]);
	}
	free(points);
}

/* Behind the mounts: places that others may be taken from. */
static void add_left(struct saving *saving)
{
	size_t all;

	find_left(saving);
	all = saving->count + saving->left_count;
	saving->saved = mem_resize(saving->saved, all, sizeof(*saving->saved));
	for (size_t i = saving->count; i < all; i++)
		saving->saved[i] = (struct saved){ .info = &saving->left[i - saving->count],
						   .parent = NONE,
						   .source = NONE,
						   .how = MOUNT_THERE };
}

/* ---- where the others come from ---- */

static bool is_around(const struct saving *saving, size_t n, size_t other)
{
	ssize_t at = (ssize_t)n;

	while (at != NONE && at != (ssize_t)other)
		at = saving->saved[at].parent;
	return at != NONE;
}

/* Is another mount over its root, or over the way to it? */
static bool is_covered(const struct saving *saving, size_t n)
{
	for (size_t i = 0; i < saving->count; i++) {
		ssize_t at = (ssize_t)n;

		if (is_around(saving, n, i))
			continue;
		for (; at != NONE; at = saving->saved[at].parent) {
			const char *point = saving->mounts[at].point;

			if (saving->saved[i].parent == at &&
			    strcmp(saving->mounts[i].point, point) == 0)
				return true;
			if (saving->saved[i].parent == saving->saved[at].parent &&
			    saving->saved[at].parent != NONE &&
			    below(point, saving->mounts[i].point))
				return true;
		}
	}
	return false;
}

static bool take_source(const struct saving *saving, size_t n, struct saved *saved)
{
	const struct mountinfo *source = saving->saved[n].info;
	const char *rest;

	if (source->dev_major != saved->info->dev_major ||
	    source->dev_minor != saved->info->dev_minor)
		return false;
	rest = below(saved->info->root, source->root);
	if (!rest)
		return false;
	saved->source = (ssize_t)n;
	saved->root = mem_string(rest);
	return true;
}

/* A mount before this one that shows the same part of the same file system. */
static bool find_source(const struct saving *saving, struct saved *saved)
{
	for (size_t i = 0; i < saving->order_count; i++) {
		size_t n = saving->order[i];

		if (saving->saved[n].how == MOUNT_THERE && is_covered(saving, n))
			continue;
		if (take_source(saving, n, saved))
			return true;
	}
	for (size_t i = 0; i < saving->left_count; i++) {
		if (take_source(saving, saving->count + i, saved))
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

/* Does another mount show a part of this new file system that is not below this mount's root? */
static bool is_split(const struct saving *saving, const struct mountinfo *mount)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct mountinfo *other = &saving->mounts[i];

		if (other->dev_major == mount->dev_major && other->dev_minor == mount->dev_minor &&
		    !below(other->root, mount->root))
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
		return block(saving, mount, "unmount it in the container", NULL);
	/* The root of a cgroup2 is where its namespace begins, seen from ours. */
	if (!is_tmpfs && strcmp(mount->type, "cgroup2") != 0 && strcmp(mount->root, "/") != 0)
		return block(saving, mount, NULL, "a part of a file system that is not mounted");
	if (strcmp(mount->type, "overlay") == 0 && saving->left_count > 0)
		return block(saving, mount, NULL, "its directories may be of the former root");
	if (is_split(saving, mount))
		return block(saving, mount, NULL, "two parts of one file system");
	if (!mount_options_filter(mount->type, mount->super, &saved->options, &stranger)) {
		reason = mem_printf("option %s", stranger);
		return block(saving, mount, NULL, reason);
	}
	saved->how = MOUNT_FILESYSTEM;
	saved->root = mem_string(is_tmpfs ? mount->root + 1 : "");
	saved->content = is_tmpfs ? dump_new_id(saving->d) : 0;
	return 0;
}

static int find_how(struct saving *saving, struct saved *saved)
{
	const struct mountinfo *mount = saved->info;

	if (has_suffix(mount->root, "//deleted") || has_suffix(mount->point, "//deleted"))
		return block(saving, mount, NULL, "its directory is gone");
	if (saved->parent == NONE && !saved->is_root)
		return block(saving, mount, NULL, "it is on a mount that cannot be seen");
	if (saved->parent != NONE && saving->saved[saved->parent].is_root &&
	    *point_of(saving, (size_t)(saved - saving->saved)) == '\0')
		return block(saving, mount, NULL, "it is over the root");
	saved->is_along = comes_along(saving, saved);
	if (saved->is_along || find_source(saving, saved)) {
		saved->how = MOUNT_BIND;
		return 0;
	}
	if (saved->parent != NONE && saving->saved[saved->parent].is_along)
		return block(saving, mount, NULL, "it is on a hidden one");
	if (strcmp(mount->type, "cgroup2") == 0 || !is_of_host(saving, mount))
		return save_filesystem(saving, saved);
	saved->how = MOUNT_NAMED;
	if (saved->is_root)
		return block(saving, mount, NULL, "another root of the host's");
	return 0;
}

static int find_attributes(struct saving *saving, struct saved *saved)
{
	auto_free char *stranger = NULL;

	if (!mount_attributes_parse(saved->info->options, &saved->attributes))
		return block(saving, saved->info, NULL, saved->info->options);
	/* Nobody can write to a file system that is read-only as a whole. */
	if (saved->how == MOUNT_FILESYSTEM &&
	    (strcmp(saved->info->super, "ro") == 0 || strncmp(saved->info->super, "ro,", 3) == 0))
		saved->attributes |= MOUNT_ATTR_RDONLY;
	/* Ours: its size may be another. */
	if (saved->how == MOUNT_THERE && saving->origin->rootfs && !saved->is_root &&
	    strcmp(saved->info->type, "tmpfs") == 0) {
		saved->content = dump_new_id(saving->d);
		if (!mount_options_filter("tmpfs", saved->info->super, &saved->options, &stranger))
			return block(saving, saved->info, NULL, stranger);
	}
	return 0;
}

static void order_mount(struct saving *saving, size_t n, int proc)
{
	if (is_there(saving, &saving->saved[n], proc)) {
		saving->saved[n].how = MOUNT_THERE;
	} else {
		if (saving->saved[n].is_root)
			add_left(saving);
		(void)find_how(saving, &saving->saved[n]);
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

static bool has_group(const struct saving *saving, uint32_t group)
{
	for (size_t i = 0; i < saving->count; i++) {
		if (saving->mounts[i].group == group)
			return true;
	}
	return false;
}

static void check_propagation(struct saving *saving)
{
	for (size_t i = 0; i < saving->count; i++) {
		const struct mountinfo *mount = &saving->mounts[i];

		if (mount->master && !has_group(saving, mount->master))
			(void)block(saving, mount, NULL, "a slave of a mount outside");
	}
}

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
			 (!is_there && saved->is_root ? MOUNT_ROOT : 0u),
		.content = saved->content,
		.attributes = saved->attributes,
		.propagation = info->is_unbindable ? MOUNT_UNBINDABLE : 0u,
		.group = info->group,
		.master = info->master,
		.point = text(is_there ? info->point : point_of(saving, n)),
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

	points = mountinfo_points(origin->rootfs != NULL, &count);
	for (size_t i = 0; i < count; i++) {
		bool is_device = strncmp(points[i], "/dev/", 5) == 0;

		if (origin->rootfs && is_there_at(saving, "/") && (!is_device || has_dev) &&
		    !is_there_at(saving, points[i]))
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

static void write_list(struct saving *saving, const struct kind *kind, uint32_t id)
{
	auto_mount_list struct mount_list list = { .has_root = saving->origin->rootfs != NULL };
	auto_buf struct buf body = BUF_EMPTY;

	mark_needed(saving);
	for (size_t i = saving->count; i < saving->count + saving->left_count; i++) {
		if (saving->saved[i].is_needed)
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

		if (saved->content == 0 && !is_unmounted)
			continue;
		numbers[count] = saving->order[i];
		steps[count++] = (struct mount_step){ .point = saved->info->point,
						      .is_taken = saved->content != 0,
						      .is_unmounted = is_unmounted,
						      .fd = -1 };
	}
	return count;
}

static int take_trees(struct saving *saving, int proc, struct err *err)
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

		if (r == 0 && saved->content)
			r = tree_dump(saving->d, &kind_tmpfs, saved->content, steps[i].fd,
				      saved->info->point, err);
		drop_fd(&steps[i].fd);
	}
	return r;
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
	return 0;
}

int mount_dump(struct dump *d, const struct kind *kind, uint32_t id, int proc,
	       const struct mount_origin *origin, struct err *err)
{
	auto_with(saving_free) struct saving saving = { .d = d, .origin = origin };
	int r = read_all(&saving, proc, err);

	if (r < 0 || saving.is_blocked)
		return r;
	find_parents(&saving);
	r = order_mounts(&saving, proc);
	if (r < 0)
		return err_set(err, r, "mounts");
	check_propagation(&saving);
	if (saving.is_blocked)
		return 0;
	r = take_trees(&saving, proc, err);
	if (r == 0)
		write_list(&saving, kind, id);
	return r;
}
