/* Looking for watched files. See watched.h. */
#include "kind/support/watched.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "container/mountinfo.h"
#include "core/cleanup.h"
#include "core/sys.h"
#include "dump/dump.h"
#include "kind/support/files.h"
#include "kind/support/watched_search.h"

/* ---- names by the kernel ---- */

static bool hex_field(const char *line, const char *name, uint64_t *ret_value)
{
	const char *at = strstr(line, name);
	char *end;

	if (!at)
		return false;
	at += strlen(name);
	*ret_value = strtoull(at, &end, 16);
	return end != at;
}

bool watched_parse(const char *line, struct watched *ret_watched)
{
	auto_free char *text = mem_copy(line, strcspn(line, "\n"));
	const char *handle = strstr(text, "fhandle-bytes:");
	uint64_t device;
	uint64_t inode;

	if (!hex_field(text, " ino:", &inode) || !hex_field(text, " sdev:", &device) ||
	    device > UINT32_MAX)
		return false;
	/* The kernel's own form of a device: 20 bits of minor number. */
	*ret_watched = (struct watched){
		.inode = inode,
		.dev_major = (uint32_t)device >> 20,
		.dev_minor = (uint32_t)device & 0xfffff,
		.handle = mem_string(handle ? handle : ""),
	};
	return true;
}

void watched_free(struct watched *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i].handle);
		free(list[i].path);
	}
	free(list);
}

static bool is_found(const struct watched *watched)
{
	return watched->file != 0 || watched->path;
}

static bool is_same(const struct watched *a, const struct watched *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && strcmp(a->handle, b->handle) == 0;
}

/* The kernel's name for what is behind `fd`; false if we may not watch it. */
static bool name_by_kernel(const struct search *search, int fd, struct watched *ret_name)
{
	auto_free char *path = mem_printf("/proc/self/fd/%d", fd);
	auto_free char *info = mem_printf("/proc/self/fdinfo/%d", search->probe);
	auto_buf struct buf text = BUF_EMPTY;
	struct err ignored = ERR_NONE;
	int watch = inotify_add_watch(search->probe, path, IN_MOVE_SELF);
	const char *line = NULL;
	bool is_named;

	if (watch < 0)
		return false;
	if (procfs_read(AT_FDCWD, info, &text, &ignored) == 0)
		line = strstr(text.data, "inotify wd:");
	is_named = line && watched_parse(line, ret_name);
	(void)inotify_rm_watch(search->probe, watch);
	return is_named;
}

/* ---- candidates ---- */

/* Not worth asking the kernel: its numbers are those of none. */
static bool is_possible(const struct search *search, const struct stat *st)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct watched *watched = &search->list[i];

		if (!is_found(watched) &&
		    (watched->inode == st->st_ino ||
		     makedev(watched->dev_major, watched->dev_minor) != st->st_dev))
			return true;
	}
	return false;
}

void search_try(struct search *search, int fd, uint32_t file, const char *path)
{
	struct watched name = { .handle = NULL };
	struct stat st;

	if (search->left == 0 || fstat(fd, &st) < 0 || !is_possible(search, &st) ||
	    !name_by_kernel(search, fd, &name))
		return;
	for (size_t i = 0; i < search->count; i++) {
		struct watched *watched = &search->list[i];

		if (is_found(watched) || !is_same(watched, &name))
			continue;
		watched->type = st.st_mode & S_IFMT;
		watched->file = file;
		watched->path = path ? mem_string(path) : NULL;
		search->left--;
	}
	free(name.handle);
}

/* Descriptions whose records bring back this very file. */
static bool is_kept(const struct dump *d, uint32_t file)
{
	const struct dump_entry *entries = (const void *)d->own->records.data;

	for (size_t i = 0; i < d->own->record_count; i++) {
		if (entries[i].id == file && (entries[i].tag == kind_by_name("regfile")->tag ||
					      entries[i].tag == kind_by_name("directory")->tag ||
					      entries[i].tag == kind_by_name("memfd")->tag))
			return true;
	}
	return false;
}

static void try_files(const struct dump *d, struct search *search)
{
	for (size_t i = 0; search->left > 0 && i < d->own->file_count; i++) {
		const struct target_fd *file = &d->own->files[i];

		if ((S_ISREG(file->stat.st_mode) || S_ISDIR(file->stat.st_mode)) &&
		    is_kept(d, file->id))
			search_try(search, file->fd, file->id, NULL);
	}
}

static void try_path(struct search *search, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	auto_close int fd = -1;

	if (!file_path_is_valid(path, strlen(path) + 1))
		return;
	fd = sys_openat2(search->root, path, &how);
	if (fd >= 0)
		search_try(search, fd, 0, path);
}

/* The path, and the directories that it is in. */
static void try_all_of(struct search *search, const char *path)
{
	auto_free char *text = mem_string(path);

	if (text[0] != '/')
		return;
	while (search->left > 0 && text[1] != '\0') {
		char *slash = strrchr(text, '/');

		try_path(search, text, 0);
		try_path(search, text, O_NOFOLLOW);
		slash[slash == text] = '\0';
	}
	try_path(search, text, 0);
}

static void try_link(struct search *search, const struct dump_task *task, const char *name)
{
	auto_free char *link = NULL;
	struct err ignored = ERR_NONE;

	if (procfs_readlink(task->proc, name, &link, &ignored) == 0)
		try_all_of(search, link);
}

/* One argument or variable: a path, or one behind an equals sign. */
static void try_word(struct search *search, const char *cwd, const char *word)
{
	const char *equals = strchr(word, '=');
	auto_free char *path = NULL;

	if (equals && equals[1] == '/')
		word = equals + 1;
	if (word[0] == '\0' || strlen(word) >= FILE_PATH_MAX)
		return;
	if (word[0] != '/')
		path = mem_printf("%s/%s", cwd, word);
	try_all_of(search, path ? path : word);
}

static void try_words(struct search *search, const struct dump_task *task, const char *name)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_free char *cwd = NULL;
	struct err ignored = ERR_NONE;

	if (procfs_readlink(task->proc, "cwd", &cwd, &ignored) < 0 ||
	    procfs_read(task->proc, name, &text, &ignored) < 0 || !text.data)
		return;
	for (size_t at = 0; search->left > 0 && at < text.size; at += strlen(text.data + at) + 1)
		try_word(search, cwd, text.data + at);
}

static void try_known(const struct dump *d, struct search *search)
{
	for (size_t i = 0; search->left > 0 && i < d->own->file_count; i++)
		try_all_of(search, d->own->files[i].link);
	for (const struct dump_task *task = NULL;
	     search->left > 0 && (task = dump_next_task(d, task));) {
		if (task->thread_count == 0)
			continue;
		try_link(search, task, "cwd");
		try_link(search, task, "exe");
		try_words(search, task, "cmdline");
		try_words(search, task, "environ");
	}
}

/* ---- the file systems ---- */

static bool is_wanted(const struct search *search, const struct mountinfo *mount)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct watched *watched = &search->list[i];

		if (!is_found(watched) && watched->dev_major == mount->dev_major &&
		    watched->dev_minor == mount->dev_minor)
			return true;
	}
	return false;
}

struct mounts {
	struct mountinfo *list; /* owned */
	size_t count;
};

static void mounts_free(struct mounts *mounts)
{
	mountinfo_free(mounts->list, mounts->count);
}

static int walk_mounts(const struct dump_task *task, struct search *search, struct err *err)
{
	auto_with(mounts_free) struct mounts mounts = { .list = NULL };
	auto_buf struct buf text = BUF_EMPTY;
	int r = procfs_read(task->proc, "mountinfo", &text, err);

	if (r == 0)
		r = mountinfo_parse(text.data, &mounts.list, &mounts.count, err);
	for (size_t i = 0; r == 0 && search->left > 0 && i < mounts.count; i++) {
		const struct mountinfo *mount = &mounts.list[i];

		if (!is_wanted(search, mount))
			continue;
		try_path(search, mount->point, 0);
		search_walk(search, mount->point, strcmp(mount->type, "overlay") == 0);
	}
	return r;
}

int watched_find(const struct dump *d, struct watched *list, size_t count, struct err *err)
{
	const struct dump_task *task = file_first_task(d);
	auto_close int root = openat(task->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int probe = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct search search = {
		.root = root, .probe = probe, .list = list, .count = count, .left = count
	};

	if (root < 0)
		return err_set(err, -errno, "open the root of task %d", task->vpid);
	if (probe < 0)
		return err_set(err, -errno, "create an inotify to find watched files");
	try_files(d, &search);
	try_known(d, &search);
	return search.left > 0 ? walk_mounts(task, &search, err) : 0;
}
