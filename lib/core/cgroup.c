/* Control groups. See cgroup.h. */
#include "core/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/cleanup.h"

#define PARENT_NAME	"ctckpt"
#define REMOVE_ATTEMPTS 200 /* of at most 10 ms each */
#define REMOVE_PAUSE_MS 10
#define DEPTH_MAX	64

int cgroup_file_read(int dir, const char *file, struct buf *buf, struct err *err)
{
	auto_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char piece[4096];
	ssize_t n;

	if (fd < 0)
		return err_set(err, -errno, "open %s", file);
	buf_clear(buf);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		(void)buf_append(buf, piece, (size_t)n);
	if (n < 0)
		return err_set(err, -errno, "read %s", file);
	(void)buf_append(buf, "", 0);
	return 0;
}

int cgroup_file_write(int dir, const char *file, const char *text, struct err *err)
{
	auto_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(err, -errno, "open %s", file);
	if (write(fd, text, strlen(text)) < 0)
		return err_set(err, -errno, "write '%s' to %s", text, file);
	return 0;
}

/* ---- where the hierarchies are, and where we are in them ---- */

static void log_nothing(void *argument, int level, const char *format, va_list args)
{
	(void)argument;
	(void)level;
	(void)format;
	(void)args;
}

/* The mount point of the v1 freezer; NULL if there is none. */
static char *find_v1_mount(void)
{
	char *point = NULL;
	char *copy;

	/* The library prints to stderr otherwise. */
	cgroup_set_logger(log_nothing, CGROUP_LOG_ERROR, NULL);
	if (cgroup_init() != 0 || cgroup_get_subsys_mount_point("freezer", &point) != 0)
		return NULL;
	copy = mem_string(point);
	free(point);
	return copy;
}

/* The mount point of v2, which libcgroup only knows by its controllers, and there may be none. */
static char *find_v2_mount(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char line[3 * PATH_MAX];
	char *point = NULL;

	if (!mounts)
		return NULL;
	while (!point && getmntent_r(mounts, &entry, line, sizeof(line))) {
		if (strcmp(entry.mnt_type, "cgroup2") == 0)
			point = mem_string(entry.mnt_dir);
	}
	(void)endmntent(mounts);
	return point;
}

/* Does a comma-separated list have this word? */
static bool list_has(const char *list, size_t length, const char *word)
{
	size_t size = strlen(word);

	for (size_t at = 0; at + size <= length; at++) {
		if ((at == 0 || list[at - 1] == ',') && memcmp(list + at, word, size) == 0 &&
		    (at + size == length || list[at + size] == ','))
			return true;
	}
	return false;
}

/* Our path in one hierarchy, from the lines "ID:CONTROLLERS:PATH"; no controllers mean v2. */
static char *find_own_path(const char *text, bool is_v1)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		const char *list = memchr(text, ':', (size_t)(end - text));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

		if (path) {
			size_t length = (size_t)(path - list - 1);

			if (is_v1 ? list_has(list + 1, length, "freezer") : length == 0)
				return mem_copy(path + 1, (size_t)(end - path - 1));
		}
		text = *end ? end + 1 : end;
	}
	return NULL;
}

/* The directory below which we may make cgroups: our own cgroup's. NULL: none. */
static char *find_base(const char *own_cgroups, bool is_v1)
{
	auto_free char *mount = is_v1 ? find_v1_mount() : find_v2_mount();
	auto_free char *path = find_own_path(own_cgroups, is_v1);

	/* A path outside of our cgroup namespace's root shows as "/..". */
	if (!mount || !path || strstr(path, "/.."))
		return NULL;
	if (strcmp(path, "/") == 0)
		return mem_printf("%s/" PARENT_NAME, mount);
	return mem_printf("%s%s", mount, path);
}

/* ---- making ---- */

static bool is_forbidden(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOENT ||
	       error == EAGAIN;
}

static bool is_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && strcmp(slash + 1, PARENT_NAME) == 0;
}

/* Others may remove the empty parent at any time, hence the attempts. */
static int make_below(const char *base, const char *path)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		if (is_parent(base) && mkdir(base, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (mkdir(path, 0755) == 0)
			return 0;
		if (errno == ENOENT && is_parent(base))
			continue;
		if (errno != EEXIST)
			return -errno;
		/* Left behind by a container that is gone: it can be removed if it is empty. */
		if (rmdir(path) < 0 && errno != ENOENT)
			return -EEXIST;
	}
	return -EEXIST;
}

static int make_one(const char *base, const char *name, int *ret_dir, char **ret_path,
		    struct err *err)
{
	auto_free char *path = mem_printf("%s/%s", base, name);
	auto_close int dir = -1;
	int r;

	r = make_below(base, path);
	if (r < 0 && is_forbidden(-r))
		return 0;
	if (r < 0)
		return err_set(err, r, "make cgroup %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0) {
		r = err_set(err, -errno, "open cgroup %s", path);
		(void)rmdir(path);
		return r;
	}
	*ret_dir = take_fd(&dir);
	*ret_path = take_ptr(path);
	return 0;
}

int cgroup_own_create(const char *name, struct cgroup_own *ret_own, struct err *err)
{
	auto_cgroup_own struct cgroup_own own = CGROUP_OWN_NONE;
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *base_v1 = NULL;
	auto_free char *base_v2 = NULL;
	int r;

	if (!name[0] || name[0] == '.' || strchr(name, '/'))
		return err_set(err, -EINVAL, "cgroup name '%s'", name);
	r = cgroup_file_read(AT_FDCWD, "/proc/self/cgroup", &text, err);
	if (r < 0)
		return r;
	base_v1 = find_base(text.data, true);
	base_v2 = find_base(text.data, false);

	if (base_v1)
		r = make_one(base_v1, name, &own.v1, &own.v1_path, err);
	if (r == 0 && base_v2)
		r = make_one(base_v2, name, &own.v2, &own.v2_path, err);
	if (r < 0) {
		struct err ignored = ERR_NONE;

		(void)cgroup_own_remove(&own, &ignored);
		return r;
	}
	*ret_own = own;
	own = CGROUP_OWN_NONE;
	return 0;
}

char *cgroup_own_base(void)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *base = NULL;
	auto_free char *above = NULL;
	struct err ignored = ERR_NONE;

	if (cgroup_file_read(AT_FDCWD, "/proc/self/cgroup", &text, &ignored) < 0)
		return NULL;
	base = find_base(text.data, false);
	if (!base)
		return NULL;
	if (access(base, W_OK | X_OK) == 0)
		return take_ptr(base);
	/* It may be made yet. */
	if (errno != ENOENT)
		return NULL;
	above = mem_copy(base, (size_t)(strrchr(base, '/') - base));
	return access(above, W_OK | X_OK) == 0 ? take_ptr(above) : NULL;
}

void cgroup_own_free(struct cgroup_own *own)
{
	drop_fd(&own->v1);
	drop_fd(&own->v2);
	free(own->v1_path);
	free(own->v2_path);
	*own = CGROUP_OWN_NONE;
}

/* ---- removing ---- */

static int remove_below(int parent, const char *name, int depth);

/* The files of a cgroup can't be removed and need not be: only directories count. */
static int remove_children(int dir, int depth)
{
	auto_closedir DIR *list = NULL;
	struct dirent *entry;
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy < 0)
		return -errno;
	list = fdopendir(copy);
	if (!list) {
		(void)close(copy);
		return -ENOMEM;
	}
	while ((entry = readdir(list))) {
		int r;

		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_below(dir, entry->d_name, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_below(int parent, const char *name, int depth)
{
	auto_close int dir = -1;
	int r;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	/* kernfs says EBUSY for living tasks and, depending on its age, for children. */
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	if (depth >= DEPTH_MAX)
		return -ELOOP;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = remove_children(dir, depth);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Waits until something happens in the cgroup: v2 tells, in v1 only time passes. */
static void wait_for_change(int events)
{
	struct pollfd change = { .fd = events, .events = POLLPRI };
	char text[256];

	if (events >= 0)
		(void)!pread(events, text, sizeof(text), 0);
	(void)poll(&change, events >= 0 ? 1 : 0, REMOVE_PAUSE_MS);
}

int cgroup_destroy(const char *path, struct err *err)
{
	auto_free char *events_path = mem_printf("%s/cgroup.events", path);
	auto_close int events = open(events_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *parent = NULL;
	int r = 0;

	for (int attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
		r = remove_below(AT_FDCWD, path, 0);
		if (r != -EBUSY)
			break;
		wait_for_change(events);
	}
	if (r < 0)
		return err_set(err, r, "remove cgroup %s", path);
	parent = mem_copy(path, (size_t)(strrchr(path, '/') ? strrchr(path, '/') - path : 0));
	if (is_parent(parent))
		(void)rmdir(parent);
	return 0;
}

int cgroup_own_remove(const struct cgroup_own *own, struct err *err)
{
	int r = 0;

	if (own->v1_path)
		r = cgroup_destroy(own->v1_path, err);
	if (own->v2_path) {
		struct err second = ERR_NONE;
		int r2 = cgroup_destroy(own->v2_path, &second);

		if (r == 0 && r2 < 0) {
			*err = second;
			r = r2;
		}
	}
	return r;
}
