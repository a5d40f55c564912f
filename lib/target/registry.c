/* The registry of ctckpt names: a private directory with a file NAME.json for each container, and
 * NAME.sock where a holder listens. See target.h.
 *
 * Who changes it holds a lock on the directory; a file appears and goes as a whole, so reading
 * needs none. An entry only says where to look: a container lives if its init does. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "target/cgroup.h"
#include "target/process.h"
#include "target/registry.h"

enum { ENTRY_SIZE_MAX = 64 << 10, NAME_LENGTH_MAX = 64 };

static bool is_alphanumeric(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool registry_name_is_valid(const char *name)
{
	size_t length = 0;

	for (; name[length]; length++) {
		char c = name[length];

		if (!is_alphanumeric(c) && (length == 0 || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	return length > 0 && length <= NAME_LENGTH_MAX;
}

int registry_check_name(const char *name, struct err *err)
{
	if (registry_name_is_valid(name))
		return 0;
	(void)err_set(err, ERR_USAGE, "a container cannot be called \"%.80s\"", name);
	return err_hint(err,
			"names are letters, digits, '_', '.' and '-', at most %d, and begin "
			"with a letter or digit",
			NAME_LENGTH_MAX);
}

/* ---- entries ---- */

enum entry_state { ENTRY_LIVES, ENTRY_IS_DEAD, ENTRY_IS_ELSEWHERE };

static enum entry_state state_of(const struct registry_entry *entry,
				 const struct registry_place *theirs,
				 const struct registry_place *ours)
{
	if (strcmp(theirs->boot_id, ours->boot_id) != 0)
		return ENTRY_IS_DEAD;
	if (theirs->pid_ns != ours->pid_ns)
		return ENTRY_IS_ELSEWHERE;
	return process_has_ended(entry->init, entry->start_time) ? ENTRY_IS_DEAD : ENTRY_LIVES;
}

static int read_file(int dir, const char *file, struct buf *text, struct err *err)
{
	auto_close int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;
	ssize_t n;

	if (fd < 0)
		return err_set(err, -errno, "open");
	if (fstat(fd, &stat) < 0)
		return err_set(err, -errno, "stat");
	if (!S_ISREG(stat.st_mode) || stat.st_uid != geteuid() || (stat.st_mode & 077) != 0)
		return err_set(err, ERR_FAILED, "not a private file of yours");
	(void)buf_append(text, NULL, ENTRY_SIZE_MAX + 1);
	n = pread(fd, text->data, text->size, 0);
	if (n < 0)
		return err_set(err, -errno, "read");
	if ((size_t)n == text->size)
		return err_set(err, ERR_FAILED, "too big");
	text->size = (size_t)n;
	return 0;
}

/* -ENOENT: there is none. */
static int read_entry(int dir, const char *name, struct registry_entry *ret_entry,
		      enum entry_state *ret_state, struct err *err)
{
	auto_free char *file = mem_printf("%s.json", name);
	auto_buf struct buf text = BUF_EMPTY;
	struct registry_place theirs, ours;
	int r = registry_place_get(&ours, err);

	if (r == 0)
		r = read_file(dir, file, &text, err);
	if (r == 0)
		r = registry_entry_parse(text.data, text.size, name, ret_entry, &theirs, err);
	if (r < 0)
		return err_wrap(err, "registry entry %s", file);
	*ret_state = state_of(ret_entry, &theirs, &ours);
	return 0;
}

static void unlink_files(int dir, const char *name)
{
	auto_free char *file = mem_printf("%s.json", name);
	auto_free char *socket = mem_printf("%s.sock", name);

	(void)unlinkat(dir, socket, 0);
	(void)unlinkat(dir, file, 0);
}

/* While its cgroup is busy a dead entry stays, so that the cgroup is not forgotten. */
static void drop_dead(int dir, const struct registry_entry *entry)
{
	struct err err = ERR_NONE;
	int r = 0;

	if (entry->cgroup_path)
		r = cgroup_remove(entry->cgroup_path, &err);
	if (r < 0 && r != -ENOENT)
		log_info("container %s has ended: %s", entry->name, err.text);
	if (r != -EBUSY)
		unlink_files(dir, entry->name);
}

static int open_locked_with(const char *name, int *ret_dir, struct err *err)
{
	auto_free char *file = mem_printf("%s.json", name);
	auto_close int dir = -1;
	int r = registry_open_with(file, &dir, err);

	if (r == 0)
		r = registry_lock(dir, err);
	if (r == 0)
		*ret_dir = take_fd(&dir);
	return r;
}

static int write_entry(int dir, const struct registry_entry *entry, struct err *err)
{
	auto_free char *file = mem_printf("%s.json", entry->name);
	auto_free char *temporary = mem_printf(".%s.new", entry->name);
	auto_buf struct buf text = BUF_EMPTY;
	struct registry_place place;
	auto_close int fd = -1;
	int r = registry_place_get(&place, err);

	if (r < 0)
		return r;
	registry_entry_print(entry, &place, &text);
	(void)unlinkat(dir, temporary, 0); /* of one who died with the lock */
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, "create registry entry %s", file);
	if (write(fd, text.data, text.size) == (ssize_t)text.size &&
	    renameat(dir, temporary, dir, file) == 0)
		return 0;
	r = err_set(err, errno ? -errno : -ENOSPC, "write registry entry %s", file);
	(void)unlinkat(dir, temporary, 0);
	return r;
}

static int look_everywhere(const char *name, struct registry_entry *ret_entry,
			   enum entry_state *ret_state, struct err *err)
{
	auto_free char *file = mem_printf("%s.json", name);
	auto_close int dir = -1;
	int r = registry_open_with(file, &dir, err);

	return r < 0 ? r : read_entry(dir, name, ret_entry, ret_state, err);
}

static bool is_same_container(const struct registry_entry *one, const struct registry_entry *other)
{
	return one->init == other->init && one->start_time == other->start_time;
}

int registry_add(const struct registry_entry *entry, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry old = { .name = NULL };
	enum entry_state state;
	auto_close int dir = -1;
	int r = registry_check_name(entry->name, err);

	if (r == 0)
		r = registry_open(true, &dir, err);
	if (r == 0)
		r = registry_lock(dir, err);
	if (r < 0)
		return r;
	r = look_everywhere(entry->name, &old, &state, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && state == ENTRY_LIVES && is_same_container(entry, &old)) {
		drop_fd(&dir);
		return registry_replace(entry, err);
	}
	if (r == 0 && state == ENTRY_LIVES)
		return err_set(err, -EEXIST, "container %s (process %d)", old.name, old.init);
	if (r == 0 && state == ENTRY_IS_ELSEWHERE)
		return err_set(err, -EEXIST, "container %s, in another pid namespace", old.name);
	if (r == 0)
		drop_dead(dir, &old);
	errno = 0;
	return write_entry(dir, entry, err);
}

int registry_replace(const struct registry_entry *entry, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry old = { .name = NULL };
	enum entry_state state;
	auto_close int dir = -1;
	int r = registry_check_name(entry->name, err);

	if (r == 0)
		r = open_locked_with(entry->name, &dir, err);
	if (r == 0)
		r = read_entry(dir, entry->name, &old, &state, err);
	if (r < 0)
		return r;
	if (state != ENTRY_LIVES || !is_same_container(entry, &old))
		return err_set(err, -ENOENT, "this container %s", entry->name);
	errno = 0;
	return write_entry(dir, entry, err);
}

int registry_read(const char *name, struct registry_entry *ret_entry, struct err *err)
{
	enum entry_state state;
	int r = registry_check_name(name, err);

	return r < 0 ? r : look_everywhere(name, ret_entry, &state, err);
}

static int remove_entry(const char *name, const struct registry_entry *known, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	enum entry_state state;
	auto_close int dir = -1;
	int r = registry_check_name(name, err);

	if (r == 0)
		r = open_locked_with(name, &dir, err);
	if (r == 0)
		r = read_entry(dir, name, &entry, &state, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (known && !is_same_container(known, &entry))
		return 0;
	if (state == ENTRY_IS_DEAD)
		drop_dead(dir, &entry);
	else
		unlink_files(dir, name);
	return 0;
}

int registry_remove(const char *name, struct err *err)
{
	return remove_entry(name, NULL, err);
}

int registry_remove_of(const char *name, pid_t init, uint64_t start_time, struct err *err)
{
	const struct registry_entry known = { .init = init, .start_time = start_time };

	return remove_entry(name, &known, err);
}

int registry_find(const char *name, struct registry_entry *ret_entry, struct err *err)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	enum entry_state state;
	int r = registry_check_name(name, err);

	if (r == 0)
		r = look_everywhere(name, &entry, &state, err);
	if (r < 0)
		return r;
	if (state == ENTRY_IS_DEAD)
		return err_set(err, ERR_FAILED, "container %s has ended", name);
	if (state == ENTRY_IS_ELSEWHERE)
		return err_set(err, ERR_FAILED, "container %s is known in another pid namespace",
			       name);
	*ret_entry = entry;
	entry = (struct registry_entry){ .name = NULL };
	return 0;
}

/* ---- lists ---- */

struct entries {
	struct registry_entry *list; /* owned */
	size_t count;
};

static void entries_free(struct entries *entries)
{
	registry_list_free(entries->list, entries->count);
}

static char *name_of_file(const char *file)
{
	size_t length = strlen(file);
	char *name;

	if (length < 5 || strcmp(file + length - 5, ".json") != 0)
		return NULL;
	name = mem_copy(file, length - 5);
	if (registry_name_is_valid(name))
		return name;
	free(name);
	return NULL;
}

/* The first directory that has one is asked by all. */
static bool has_name(const struct entries *entries, const char *name)
{
	for (size_t i = 0; i < entries->count; i++) {
		if (strcmp(entries->list[i].name, name) == 0)
			return true;
	}
	return false;
}

static void add_file(struct entries *entries, int dir, const char *file)
{
	auto_with(registry_entry_free) struct registry_entry entry = { .name = NULL };
	auto_free char *name = name_of_file(file);
	struct err err = ERR_NONE;
	enum entry_state state;

	if (!name || has_name(entries, name))
		return;
	if (read_entry(dir, name, &entry, &state, &err) < 0) {
		log_info("skipped: %s", err.text);
		return;
	}
	if (state == ENTRY_IS_DEAD)
		drop_dead(dir, &entry);
	if (state != ENTRY_LIVES)
		return;
	array_grow(entries->list, entries->count);
	entries->list[entries->count++] = entry;
	entry = (struct registry_entry){ .name = NULL };
}

static int compare(const void *a, const void *b)
{
	const struct registry_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int list_directory(int dir, struct entries *entries, struct err *err)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!stream)
		return err_set(err, -errno, "list the registry");
	while ((entry = readdir(stream)))
		add_file(entries, dir, entry->d_name);
	return 0;
}

int registry_list(struct registry_entry **ret_entries, size_t *ret_count, struct err *err)
{
	auto_with(entries_free) struct entries entries = { .list = NULL };

	for (size_t i = 0; i < REGISTRY_DIRECTORIES; i++) {
		auto_close int dir = -1;
		int r = registry_open_nth(i, &dir, err);

		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = registry_lock(dir, err);
		if (r == 0)
			r = list_directory(dir, &entries, err);
		if (r < 0)
			return r;
	}
	if (entries.count > 0)
		qsort(entries.list, entries.count, sizeof(*entries.list), compare);
	*ret_count = entries.count;
	*ret_entries = take_ptr(entries.list);
	entries.count = 0;
	return 0;
}
