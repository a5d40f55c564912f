/* Makes files again. The directory of a tmpfs is that of a mount that only we have: no name in it
 * changes meanwhile, and what is there already is what ctckpt itself puts into its /dev. In a root
 * directory, which is the invoker's, there may be anything. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/file_content.h"
#include "kind/support/tree_clear.h"
#include "kind/support/tree_making.h"

static void making_free(struct making *making)
{
	while (making->depth > 0)
		drop_fd(&making->levels[--making->depth].fd);
	free(making->entries);
	tree_shelf_free(&making->shelf);
}

static char *name_of(const struct tree_entry *entry)
{
	return mem_copy(entry->name, entry->name_length);
}

char *tree_making_path(const struct making *making, uint32_t number)
{
	auto_free char *path = name_of(&making->entries[number - 1]);

	number = le32_get(making->entries[number - 1].rec->parent);
	while (number > 1) {
		auto_free char *name = name_of(&making->entries[number - 1]);
		char *longer = mem_printf("%s/%s", name, path);

		free(path);
		path = longer;
		number = le32_get(making->entries[number - 1].rec->parent);
	}
	return take_ptr(path);
}

int tree_making_fail(const struct making *making, uint32_t number, const char *what,
		     struct err *err)
{
	int code = -errno;
	auto_free char *path = tree_making_path(making, number);

	return err_set(err, code, "%s %s/%s", what, making->place, path);
}

/* ---- what all files have ---- */

/* Others than those that had them may meet such files. */
static bool is_tame(const struct making *making)
{
	return making->index || making->adds;
}

static void set_xattrs(struct making *making, int fd, const struct tree_entry *entry)
{
	const char *at = entry->xattrs;
	const char *end = at + entry->xattrs_length;
	const char *name;
	const void *value;
	uint32_t size;

	while (at < end && tree_next_xattr(&at, end, &name, &value, &size)) {
		if (is_tame(making) && strncmp(name, "security.", 9) == 0)
			making->tamed++;
		else if (fsetxattr(fd, name, value, size, 0) < 0)
			making->bare++;
	}
}

/* An id that is not mapped is nobody's here: the file is ours, and no set-id file. */
static int set_owner(struct making *making, int dir, const char *name,
		     const struct tree_entry *entry, mode_t *mode)
{
	uid_t uid = le32_get(entry->rec->uid);
	gid_t gid = le32_get(entry->rec->gid);

	if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return -errno;
	making->disowned++;
	*mode &= ~(mode_t)(S_ISUID | S_ISGID);
	return 0;
}

static void get_times(const struct tree_entry_rec *rec, struct timespec times[2])
{
	times[0] = (struct timespec){ les64_get(rec->atime_s), le32_get(rec->atime_ns) };
	times[1] = (struct timespec){ les64_get(rec->mtime_s), le32_get(rec->mtime_ns) };
}

/* Others than the container find them there, too. */
static mode_t tame(struct making *making, mode_t mode)
{
	if (!is_tame(making) || S_ISDIR(mode) || !(mode & (S_ISUID | S_ISGID)))
		return mode & 07777;
	making->tamed++;
	return mode & 01777;
}

/* Owner first: a change of it takes set-id bits and capabilities. */
static int set_open(struct making *making, int fd, const struct tree_entry *entry, struct err *err)
{
	mode_t mode = tame(making, le32_get(entry->rec->mode));
	struct timespec times[2];

	get_times(entry->rec, times);
	if (set_owner(making, fd, "", entry, &mode) < 0 || fchmod(fd, mode) < 0)
		return tree_making_fail(making, entry->number, "set owner and mode of", err);
	set_xattrs(making, fd, entry);
	if (futimens(fd, times) < 0)
		return tree_making_fail(making, entry->number, "set times of", err);
	return 0;
}

static int set_named(struct making *making, int dir, const char *name,
		     const struct tree_entry *entry, struct err *err)
{
	mode_t mode = le32_get(entry->rec->mode) & 07777;
	struct timespec times[2];

	get_times(entry->rec, times);
	if (set_owner(making, dir, name, entry, &mode) < 0 ||
	    (!S_ISLNK(le32_get(entry->rec->mode)) && fchmodat(dir, name, mode, 0) < 0) ||
	    utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_making_fail(making, entry->number, "set owner, mode and times of", err);
	return 0;
}

/* ---- one entry ---- */

static int make_regular(struct making *making, int dir, const char *name,
			const struct tree_entry *entry, struct err *err)
{
	int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
	auto_close int fd = openat(dir, name, flags | (is_tame(making) ? O_EXCL : 0), 0600);
	uint32_t content = le32_get(entry->rec->content);
	int r;

	if (fd < 0 || ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)le64_get(entry->rec->size)) < 0)
		return tree_making_fail(making, entry->number, "create", err);
	if (entry->data_length > 0 &&
	    pwrite(fd, entry->data, entry->data_length, 0) != (ssize_t)entry->data_length)
		return tree_making_fail(making, entry->number, "write", err);
	r = set_open(making, fd, entry, err);
	if (r == 0 && content && is_tame(making))
		restore_add_file(making->rs, fd);
	if (r == 0 && content)
		r = file_content_restore(making->rs, content, fd, err);
	return r;
}

static int make_link(struct making *making, int dir, const char *name,
		     const struct tree_entry *entry, struct err *err)
{
	auto_free char *path = tree_making_path(making, le32_get(entry->rec->link));

	if (linkat(making->levels[0].fd, path, dir, name, 0) < 0)
		return tree_making_fail(making, entry->number, "link", err);
	return 0;
}

static int make_special(struct making *making, int dir, const char *name,
			const struct tree_entry *entry, struct err *err)
{
	mode_t mode = le32_get(entry->rec->mode);
	auto_free char *target = NULL;
	int r;

	if (S_ISLNK(mode)) {
		target = mem_copy(entry->data, entry->data_length);
		r = symlinkat(target, dir, name);
	} else {
		r = mknodat(dir, name, (mode & S_IFMT) | 0600, 0);
	}
	if (r < 0)
		return tree_making_fail(making, entry->number, "create", err);
	return set_named(making, dir, name, entry, err);
}

/* A new one is made as all else is. */
static int make_directory(struct making *making, const struct level *parent, const char *name,
			  uint32_t *ret_number)
{
	struct stat stat;
	int r;

	*ret_number = 0;
	if (!making->index)
		return mkdirat(parent->fd, name, 0700) < 0 ? -errno : 0;
	if (fstatat(parent->fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	r = tree_shelf_open(&making->shelf, parent->shelf_number, parent->fd);
	if (r < 0)
		return r;
	if (mkdirat(making->shelf.dir, TREE_SHELF_NEW, 0700) < 0)
		return -errno;
	r = tree_shelf_place(&making->shelf, parent->shelf_number, parent->fd, name, ret_number);
	return r == -EEXIST ? -EBUSY : r;
}

/* In the root directory, what it was like is noted first. */
static int enter_level(struct making *making, const struct level *parent, const char *name,
		       struct level *level)
{
	const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (!is_tame(making))
		level->fd = openat(parent->fd, name, flags | O_RDONLY);
	else
		level->fd = tree_open_here(parent->fd, name, level->is_kept, &level->is_mount);
	if (level->fd < 0)
		return -errno;
	if (!making->index || level->is_mount || level->shelf_number > 0 || making->depth == 0)
		return 0;
	return tree_shelf_enter(&making->shelf, parent->shelf_number, name, level->fd,
				&level->shelf_number);
}

static int enter_directory(struct making *making, const struct level *parent, const char *name,
			   const struct tree_entry *entry, struct err *err)
{
	bool may_stay = le32_get(entry->rec->flags) & TREE_ON_WAY || making->adds;
	struct level level = { .number = entry->number };
	int r = make_directory(making, parent, name, &level.shelf_number);

	errno = -r;
	if (r < 0 && r != -EEXIST)
		return tree_making_fail(making, entry->number, "create", err);
	level.is_kept = may_stay && r == -EEXIST;
	errno = -enter_level(making, parent, name, &level);
	if (level.fd < 0 || errno != 0) {
		int code = errno;

		drop_fd(&level.fd);
		errno = code;
		return tree_making_fail(making, entry->number, "open", err);
	}
	making->levels[making->depth++] = level;
	return le32_get(entry->rec->flags) & TREE_WHOLE ? tree_remove_unknown(making, &level, err)
							: 0;
}

/* Its time of change is known when all is in it. */
static int leave_directory(struct making *making, struct err *err)
{
	struct level *level = &making->levels[--making->depth];
	int r = 0;

	if (!level->is_kept)
		r = set_open(making, level->fd, &making->entries[level->number - 1], err);

	drop_fd(&level->fd);
	return r;
}

/* With what is in it. */
static int leave_out(struct making *making, const struct tree_entry *entry)
{
	if (S_ISDIR(le32_get(entry->rec->mode)))
		making->levels[making->depth++] = (struct level){
			.number = entry->number, .fd = -1, .is_kept = true, .is_mount = true
		};
	return 0;
}

static int make_file(struct making *making, int dir, const char *name,
		     const struct tree_entry *entry, struct err *err)
{
	if (le32_get(entry->rec->link))
		return make_link(making, dir, name, entry, err);
	if (S_ISREG(le32_get(entry->rec->mode)))
		return make_regular(making, dir, name, entry, err);
	return make_special(making, dir, name, entry, err);
}

/* What is whole gets its name. */
static int make_on_shelf(struct making *making, const struct level *level, const char *name,
			 const struct tree_entry *entry, struct err *err)
{
	uint32_t ignored;
	int r = tree_shelf_open(&making->shelf, level->shelf_number, level->fd);

	errno = -r;
	r = r < 0 ? tree_making_fail(making, entry->number, "create", err)
		  : make_file(making, making->shelf.dir, TREE_SHELF_NEW, entry, err);
	if (r < 0)
		return r;
	errno = -tree_shelf_place(&making->shelf, level->shelf_number, level->fd, name, &ignored);
	return errno == 0 ? 0 : tree_making_fail(making, entry->number, "create", err);
}

static int make_entry(struct making *making, const struct tree_entry *entry, struct err *err)
{
	auto_free char *name = name_of(entry);
	/* Another one may be added. */
	const struct level level = making->levels[making->depth - 1];
	bool is_done;

	if (level.is_mount && making->adds)
		return leave_out(making, entry);
	if (level.is_mount)
		return err_set(err, ERR_FAILED, "make %s/%s: it is on another mount", making->place,
			       name);
	if (tree_clear_place(making, &level, name, entry, &is_done) < 0)
		return tree_making_fail(making, entry->number, "replace", err);
	if (is_done)
		return making->adds ? leave_out(making, entry) : 0;
	if (S_ISDIR(le32_get(entry->rec->mode)))
		return enter_directory(making, &level, name, entry, err);
	return making->index ? make_on_shelf(making, &level, name, entry, err)
			     : make_file(making, level.fd, name, entry, err);
}

/* ---- the walk ---- */

static int make_all(struct making *making, struct tree_walk *walk, int dir, struct err *err)
{
	const struct level top = { .fd = dir };
	struct tree_entry entry;
	int r;

	while ((r = tree_next(walk, &entry, err)) > 0) {
		uint32_t parent = le32_get(entry.rec->parent);

		array_grow(making->entries, making->count);
		making->entries[making->count++] = entry;
		r = 0;
		while (r == 0 && making->depth > 0 &&
		       making->levels[making->depth - 1].number != parent)
			r = leave_directory(making, err);
		if (r == 0)
			r = making->depth == 0 ? enter_directory(making, &top, ".", &entry, err)
					       : make_entry(making, &entry, err);
		if (r < 0)
			return r;
	}
	while (r == 0 && making->depth > 0)
		r = leave_directory(making, err);
	return r;
}

static void note_losses(const struct making *making, const char *place)
{
	if (making->disowned > 0)
		restore_note(making->rs,
			     "%zu files of %s belong to the invoker: their owners are not mapped",
			     making->disowned, place);
	if (making->bare > 0)
		restore_note(making->rs, "%zu files of %s have lost an extended attribute",
			     making->bare, place);
	if (making->kept > 0)
		restore_note(making->rs, "%zu files of %s are the engine's, not the saved ones",
			     making->kept, place);
	if (making->tamed > 0)
		restore_note(making->rs, "%zu files of %s have lost set-id bits or capabilities",
			     making->tamed, place);
}

int tree_restore(struct restore *rs, const struct record *record, int dir, const char *place,
		 struct err *err)
{
	auto_with(making_free) struct making making = {
		.rs = rs,
		.place = strcmp(place, "/") == 0 ? "" : place,
		.shelf = TREE_SHELF_NONE,
	};
	struct tree_walk walk;
	struct stat stat;
	int r = tree_begin(record->body, record->length, &walk, err);

	if (r > 0 && fstat(dir, &stat) < 0)
		r = err_set(err, -errno, "look at the mount");
	if (r > 0)
		restore_add_device(rs, stat.st_dev);
	if (r > 0)
		r = tree_remove_others(&making, dir, &walk, err);
	if (r == 0)
		r = make_all(&making, &walk, dir, err);
	note_losses(&making, place);
	return r;
}

int tree_add(struct restore *rs, const struct record *record, int dir, const char *place,
	     struct err *err)
{
	auto_with(making_free) struct making making = {
		.rs = rs, .place = place, .adds = true, .shelf = TREE_SHELF_NONE
	};
	struct tree_walk walk;
	int r = tree_begin(record->body, record->length, &walk, err);

	if (r > 0)
		r = make_all(&making, &walk, dir, err);
	note_losses(&making, place);
	return r;
}

/* Of a restore that goes on, or of one that was killed with all that would have undone it. */
static void note_shelves(struct making *making, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (list && (entry = readdir(list))) {
		if (tree_shelf_is_name(entry->d_name))
			restore_note(making->rs,
				     "/%s has what another restore has replaced, which goes on or "
				     "was killed",
				     entry->d_name);
	}
}

static int begin_shelf(struct making *making, int dir, struct err *err)
{
	int r = tree_shelf_begin(dir, restore_take_journal(making->rs), &making->shelf);

	return r < 0 ? err_set(err, r, "look at the root directory") : 0;
}

int tree_put(struct restore *rs, const struct record *record, int dir, struct err *err)
{
	auto_with(tree_index_free) struct tree_index index = { .tree = NULL };
	auto_with(making_free) struct making making = {
		.rs = rs, .place = "", .index = &index, .shelf = TREE_SHELF_NONE
	};
	struct tree_walk walk;
	mode_t mask = umask(0);
	int r = tree_begin(record->body, record->length, &walk, err);

	tree_index_make(record, &index);
	if (r > 0)
		note_shelves(&making, dir);
	if (r > 0)
		r = begin_shelf(&making, dir, err);
	if (r == 0)
		r = make_all(&making, &walk, dir, err);
	(void)umask(mask);
	note_losses(&making, "/");
	return r;
}
