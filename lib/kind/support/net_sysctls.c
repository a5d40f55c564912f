/* The settings below /proc/sys/net that belong to a network namespace. All that can be written are
 * saved; a restore writes those that are not so already. See net.h. */
#include "kind/support/net.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/sys.h"
#include "restore/open.h"

enum { NAME_MAX_SIZE = 256, VALUE_MAX_SIZE = 65536, DEPTH_MAX = 5 };

/* ---- dump ---- */

/* What cannot be opened for writing, too, is no setting. */
static int read_value(int dir, const char *name, struct buf *value)
{
	auto_close int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char piece[4096];
	ssize_t got;

	if (fd < 0)
		return -errno;
	/* The kernel gives as much as there is, or as there is room. */
	do {
		got = read(fd, piece, sizeof(piece));
		if (got > 0)
			(void)buf_append(value, piece, (size_t)got);
	} while (got == (ssize_t)sizeof(piece) && value->size < VALUE_MAX_SIZE);
	if (got < 0)
		return -errno;
	while (value->size > 0 && isspace((unsigned char)value->data[value->size - 1]))
		value->data[--value->size] = '\0';
	return 0;
}

/* Some cannot be read until they are set. */
static int save_value(struct net_saving *saving, int dir, const char *file, const char *name,
		      struct err *err)
{
	auto_buf struct buf value = BUF_EMPTY;
	auto_buf struct buf both = BUF_EMPTY;
	struct net_sysctl_rec rec;

	if (read_value(dir, file, &value) < 0 || value.size == 0 ||
	    !net_sysctl_is_valid(name, value.data))
		return 0;
	rec = (struct net_sysctl_rec){ .name_size = le32_make((uint32_t)strlen(name) + 1),
				       .value_size = le32_make((uint32_t)value.size + 1) };
	(void)buf_append(&both, name, strlen(name) + 1);
	(void)buf_append(&both, value.data, value.size + 1);
	return net_add_item(saving, NET_SYSCTL, &rec, sizeof(rec), both.data, both.size, err);
}

static int save_dir(struct net_saving *saving, int dir, const char *path, int depth,
		    struct err *err);

/* The types in a listing are those of the kernel's own table. */
static int save_entry(struct net_saving *saving, int dir, const struct dirent *entry,
		      const char *path, int depth, struct err *err)
{
	auto_free char *name = mem_printf("%s%s", path, entry->d_name);
	auto_free char *below = NULL;
	auto_close int fd = -1;

	if (entry->d_name[0] == '.')
		return 0;
	if (entry->d_type == DT_REG)
		return save_value(saving, dir, entry->d_name, name, err);
	if (entry->d_type != DT_DIR || depth >= DEPTH_MAX)
		return 0;
	below = mem_printf("%s/", name);
	fd = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? 0 : save_dir(saving, take_fd(&fd), below, depth + 1, err);
}

/* Takes the descriptor over. */
static int save_dir(struct net_saving *saving, int dir, const char *path, int depth,
		    struct err *err)
{
	auto_closedir DIR *entries = fdopendir(dir);
	const struct dirent *entry;
	int r = 0;

	if (!entries)
		return err_set(err, -errno, "list /proc/sys/net");
	while (r == 0 && (entry = readdir(entries)))
		r = save_entry(saving, dirfd(entries), entry, path, depth, err);
	return r;
}

int net_save_sysctls(struct net_saving *saving, struct err *err)
{
	int dir = open("/proc/sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? err_set(err, -errno, "open /proc/sys/net")
		       : save_dir(saving, dir, "", 0, err);
}

/* ---- check ---- */

static bool part_is_valid(const char *part, size_t length)
{
	if (length == 0 || length > 64 || part[0] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)part[i] <= ' ' || part[i] == 0x7f)
			return false;
	}
	return true;
}

bool net_sysctl_is_valid(const char *name, const char *value)
{
	size_t depth = 0;

	if (strlen(name) >= NAME_MAX_SIZE || strlen(value) >= VALUE_MAX_SIZE)
		return false;
	for (const char *at = value; *at; at++) {
		if (!isprint((unsigned char)*at) && *at != '\t')
			return false;
	}
	do {
		size_t length = strcspn(name, "/");

		if (!part_is_valid(name, length))
			return false;
		name += length;
	} while (*name++ == '/' && depth++ < DEPTH_MAX);
	return name[-1] == '\0';
}

/* ---- restore ---- */

/* A file below /proc/sys/net, and nothing else: a proc that shows the container, no link, no mount
 * on top of it. */
static int open_setting(const struct restore *rs, const char *name)
{
	auto_free char *path = mem_printf("sys/net/%s", name);
	struct open_how how = { .flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW,
				.resolve =
				    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	long fd = sys_openat2(restore_root(rs)->proc, path, &how);

	return fd < 0 ? -errno : (int)fd;
}

static bool has_settings(const struct restore *rs)
{
	struct statfs fs;

	return fstatfs(restore_root(rs)->proc, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Values of several numbers are told with tabs. 1: it was another one. */
static int write_setting(int fd, const char *value)
{
	char now[4096];
	ssize_t got = pread(fd, now, sizeof(now) - 1, 0);

	while (got > 0 && isspace((unsigned char)now[got - 1]))
		got--;
	if (got >= 0 && (size_t)got == strlen(value) && memcmp(now, value, (size_t)got) == 0)
		return 0;
	return pwrite(fd, value, strlen(value), 0) < 0 ? -errno : 1;
}

/* As write_setting(). */
static int restore_setting(const struct restore *rs, const char *name, const char *value)
{
	auto_close int fd = open_setting(rs, name);

	return fd < 0 ? fd : write_setting(fd, value);
}

/* Written, it makes an address that is not one of the saved ones. */
static bool makes_addresses(const char *name)
{
	size_t length = strlen(name);
	size_t tail = strlen("/addr_gen_mode");

	return length > tail && strcmp(name + length - tail, "/addr_gen_mode") == 0;
}

/* Those that the new network does not have are said in one line: of a network of root's, they are
 * many. */
static void note_setting(struct restore *rs, const char *name, const char *value, int error,
			 struct buf *missing)
{
	if (error == -ENOENT)
		buf_printf(missing, "%s%s (%s)", missing->size ? ", " : "", name, value);
	else
		restore_note(rs, "net.%s is not %s as before: %s", name, value, strerror(-error));
}

/* Sets all; false: none had to be. */
static bool restore_settings(struct restore *rs, const void *content, size_t size, bool is_late,
			     bool is_last)
{
	struct reader reader = reader_of(content, size);
	struct net_view view;
	auto_buf struct buf missing = BUF_EMPTY;
	bool is_there = has_settings(rs);
	bool is_changed = false;

	while (net_next(&reader, NET_SYSCTL, &view)) {
		const struct net_sysctl_rec *rec = view.rec;
		const char *name = view.attributes;
		const char *value = name + le32_get(rec->name_size);
		int r;

		if (makes_addresses(name) != is_late)
			continue;
		r = is_there ? restore_setting(rs, name, value) : -ENOENT;
		is_changed |= r != 0;
		if (r < 0 && is_last)
			note_setting(rs, name, value, r, &missing);
	}
	if (missing.size > 0)
		restore_note(rs, "settings below net are not there any more: %s", missing.data);
	return is_changed;
}

/* Twice: to write one of "all" alters those of each interface. */
int net_restore_sysctls(struct restore *rs, const void *content, size_t size, bool is_late,
			struct err *err)
{
	(void)err;
	if (restore_settings(rs, content, size, is_late, false))
		(void)restore_settings(rs, content, size, is_late, true);
	return 0;
}
