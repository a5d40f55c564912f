/* Volumes. See volume.h. */
#include "container/volume.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"

static void volume_free(struct volume *volume)
{
	free(volume->source);
	free(volume->point);
}

void volumes_free(struct volumes *volumes)
{
	for (size_t i = 0; i < volumes->count; i++)
		volume_free(&volumes->list[i]);
	free(volumes->list);
	*volumes = VOLUMES_NONE;
}

/* ---- words ---- */

/* Without slashes at the end or in a row. NULL if it is none that can be mounted on. */
static char *clean_point(const char *text)
{
	auto_buf struct buf clean = BUF_EMPTY;
	size_t length;

	if (text[0] != '/')
		return NULL;
	for (; *text; text += length) {
		text += strspn(text, "/");
		length = strcspn(text, "/");
		if ((length == 1 && text[0] == '.') ||
		    (length == 2 && text[0] == '.' && text[1] == '.') || length > 255)
			return NULL;
		if (length > 0)
			buf_printf(&clean, "/%.*s", (int)length, text);
	}
	return clean.size > 0 ? take_ptr(clean.data) : NULL;
}

static bool take_suffix(char *text, const char *suffix)
{
	size_t length = strlen(text);

	if (length <= strlen(suffix) || strcmp(text + length - strlen(suffix), suffix) != 0)
		return false;
	text[length - strlen(suffix)] = '\0';
	return true;
}

static int add(struct volumes *volumes, struct volume volume, const char *text, struct err *err)
{
	if (!volume.point) {
		volume_free(&volume);
		(void)err_set(err, ERR_USAGE, "%s cannot be mounted", text);
		return err_hint(err, "--volume SOURCE:DIR or --tmpfs DIR, where DIR is absolute");
	}
	for (size_t i = 0; i < volumes->count; i++) {
		if (strcmp(volumes->list[i].point, volume.point) != 0)
			continue;
		volume_free(&volume);
		return err_set(err, ERR_USAGE, "two mounts on %s", volumes->list[i].point);
	}
	array_grow(volumes->list, volumes->count);
	volumes->list[volumes->count++] = volume;
	return 0;
}

static int add_volume(struct volumes *volumes, const char *text, struct err *err)
{
	auto_free char *source = mem_string(text);
	struct volume volume = { .tree = -1 };
	char *colon;

	volume.is_read_only = take_suffix(source, ":ro");
	if (!volume.is_read_only)
		(void)take_suffix(source, ":rw");
	colon = strrchr(source, ':');
	if (!colon || colon == source)
		return add(volumes, volume, text, err);
	*colon = '\0';
	volume.point = clean_point(colon + 1);
	volume.source = realpath(source, NULL);
	if (volume.point && !volume.source) {
		int code = -errno;

		volume_free(&volume);
		return err_set(err, code, "volume %s", source);
	}
	return add(volumes, volume, text, err);
}

int volumes_parse(const char *const *volumes, const char *const *tmpfs, struct volumes *ret_volumes,
		  struct err *err)
{
	int r = 0;

	for (; r == 0 && tmpfs && *tmpfs; tmpfs++)
		r = add(ret_volumes, (struct volume){ .point = clean_point(*tmpfs), .tree = -1 },
			*tmpfs, err);
	for (; r == 0 && volumes && *volumes; volumes++)
		r = add_volume(ret_volumes, *volumes, err);
	return r;
}

/* ---- mounts ---- */

static int make_tmpfs(void)
{
	auto_close int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", "1777", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

int volumes_take(struct volumes *volumes, struct err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < volumes->count; i++) {
		struct volume *volume = &volumes->list[i];

		/* With what is mounted below: without, the kernel would refuse to show what that
		 * covers. */
		volume->tree = volume->source
				   ? open_tree(AT_FDCWD, volume->source,
					       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)
				   : make_tmpfs();
		if (volume->tree < 0)
			return err_set(err, -errno, "volume %s",
				       volume->source ? volume->source : volume->point);
		if (volume->is_read_only &&
		    mount_setattr(volume->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only,
				  sizeof(read_only)) < 0)
			return err_set(err, -errno, "make volume %s read-only", volume->source);
	}
	return 0;
}

static int make_place(int dir, const char *name, bool is_dir)
{
	auto_close int fd = -1;

	if (is_dir)
		return mkdirat(dir, name, 0755);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : 0;
}

/* One name at a time: a link in the root directory leads nowhere. */
static int open_place(int root, const char *point, bool is_dir, bool is_making)
{
	auto_close int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	size_t length;

	for (point++; at >= 0 && *point; point += length + (point[length] == '/')) {
		auto_free char *name = NULL;
		bool is_last;
		int next;
		int flags;

		length = strcspn(point, "/");
		is_last = point[length] == '\0';
		name = mem_copy(point, length);
		flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_dir || !is_last ? O_DIRECTORY : 0);
		next = openat(at, name, flags);
		if (next < 0 && errno == ENOENT && is_making &&
		    make_place(at, name, is_dir || !is_last) == 0)
			next = openat(at, name, flags);
		if (next < 0)
			return -errno;
		(void)close(at);
		at = next;
	}
	return at < 0 ? -errno : take_fd(&at);
}

int volumes_attach(const struct volumes *volumes, int root, bool is_making, struct err *err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		const struct volume *volume = &volumes->list[i];
		struct stat stat;
		int place_fd =
		    fstat(volume->tree, &stat) < 0
			? -errno
			: open_place(root, volume->point, S_ISDIR(stat.st_mode), is_making);
		auto_close int place = place_fd;

		if (place < 0)
			return err_set(err, place, "mount point %s", volume->point);
		if (move_mount(volume->tree, "", place, "",
			       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return err_set(err, -errno, "mount %s", volume->point);
	}
	return 0;
}
