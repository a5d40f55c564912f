/* inotify: watches on files, which are found again by path or descriptor, under the same numbers.
 * Events that nobody has read cannot be put back: their reader is told that the queue has
 * overflowed, on which every program must look for itself. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/inotify_queue.h"
#include "kind/support/inotify_watches.h"
#include "restore/open.h"

extern const struct kind kind_inotify;

/* Numbers are never used twice: one call for each, up to the highest that is in use. The last is
 * the limit for all that a container has. */
enum { WATCHES_MAX = 1 << 16, WATCH_NUMBER_MAX = 1 << 20, NUMBERS_MAX = 1 << 22 };

#define WATCH_FLAGS (IN_ONESHOT | IN_EXCL_UNLINK)
#define WATCH_MASK  (IN_ALL_EVENTS | WATCH_FLAGS)

RECORDS_BEGIN
struct inotify_rec {
	le32 flags;
	le32 lost;	    /* bytes of events that were not read */
	le32 has_masks_cut; /* 0 or 1: the kernel did not show IN_ONESHOT and IN_EXCL_UNLINK */
	le32 count;	    /* of the watches that follow */
};
struct inotify_watch_rec {
	le32 number;	  /* in rising order */
	le32 mask;	  /* IN_* */
	le32 type;	  /* S_IFMT bits of what is watched */
	le32 file;	  /* an open file description; 0: the path */
	le32 path_length; /* with its NUL; 0: none */
	le32 reserved;	  /* zero */
			  /* then the path, and zeros up to a multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct inotify_rec) == 16, "image format");
static_assert(sizeof(struct inotify_watch_rec) == 24, "image format");

/* clang-format off */
#define INOTIFY_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, flags, FIELD_FREE) \
	FIELD(rec, lost, FIELD_FREE) \
	FIELD(rec, has_masks_cut, FIELD_FREE) \
	FIELD(rec, count, FIELD_FORM) \
	TAIL(rec, watches, CLASS_FILE)
/* clang-format on */
FIELDS_OF(inotify, struct inotify_rec, INOTIFY_FIELDS);

static bool inotify_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:inotify") == 0;
}

/* ---- dump ---- */

static bool block_watches(struct dump *d, const struct inotify_watches *watches)
{
	bool is_blocked = false;

	for (size_t i = 0; i < watches->count; i++) {
		const struct watched *watched = &watches->watched[i];

		if (watched->file != 0 || watched->path)
			continue;
		(void)dump_block(d, "let the program remove the watch",
				 "inotify watch %u is on a file that was not found (inode %" PRIu64
				 " of device %u:%u)",
				 watches->list[i].number, watched->inode, watched->dev_major,
				 watched->dev_minor);
		is_blocked = true;
	}
	return is_blocked;
}

static void put_watch(struct buf *body, const struct inotify_watch *watch,
		      const struct watched *watched)
{
	uint32_t length = watched->file ? 0 : (uint32_t)strlen(watched->path) + 1;
	struct inotify_watch_rec rec = {
		.number = le32_make(watch->number),
		.mask = le32_make(watch->mask & WATCH_MASK),
		.type = le32_make(watched->type),
		.file = le32_make(watched->file),
		.path_length = le32_make(length),
	};

	(void)buf_append(body, &rec, sizeof(rec));
	if (length > 0)
		(void)buf_append(body, watched->path, length);
	buf_align(body, 8);
}

static void put_watches(struct dump *d, const struct inotify_watches *watches)
{
	struct inotify_rec rec = {
		.flags = le32_make(file_flags(d->fd)),
		.lost = le32_make((uint32_t)d->fd->unread),
		.has_masks_cut = le32_make(!inotify_shows_flags()),
		.count = le32_make((uint32_t)watches->count),
	};
	auto_buf struct buf body = BUF_EMPTY;

	(void)buf_append(&body, &rec, sizeof(rec));
	for (size_t i = 0; i < watches->count; i++)
		put_watch(&body, &watches->list[i], &watches->watched[i]);
	dump_record(d, d->fd->id, &kind_inotify, body.data, body.size);
}

static int inotify_dump(struct dump *d, struct err *err)
{
	auto_inotify_watches struct inotify_watches watches = { .list = NULL };
	int r;

	if (file_block_extras(d))
		return 0;
	if (d->fd->is_in_flight)
		return dump_block(d, "let the program receive it first",
				  "inotify in flight is not supported");
	r = inotify_watches_parse(d->fd->fdinfo, &watches, err);
	if (r < 0)
		return r;
	if (watches.count > WATCHES_MAX)
		return dump_block(d, NULL, "inotify has more than %d watches", WATCHES_MAX);
	if (watches.count > 0 && watches.list[watches.count - 1].number > WATCH_NUMBER_MAX)
		return dump_block(d, "let the program make its inotify anew",
				  "inotify watch %u has a number above %d",
				  watches.list[watches.count - 1].number, WATCH_NUMBER_MAX);
	if (watches.count > 0)
		d->own->watch_numbers += watches.list[watches.count - 1].number;
	if (d->own->watch_numbers > NUMBERS_MAX)
		return dump_block(d, "let the program make its inotify anew",
				  "inotify watches of the container have used more than %d numbers",
				  NUMBERS_MAX);
	r = watches.count > 0 ? watched_find(d, watches.watched, watches.count, err) : 0;
	if (r == 0 && !block_watches(d, &watches))
		put_watches(d, &watches);
	return r;
}

/* ---- check, link, ask ---- */

/* The next watch and its path ("" if it has none); NULL if the bytes are cut. */
static const struct inotify_watch_rec *next_watch(struct reader *reader, const char **ret_path)
{
	const struct inotify_watch_rec *watch = reader_take(reader, sizeof(*watch));
	size_t length = watch ? le32_get(watch->path_length) : 0;
	const char *path = watch ? reader_take(reader, (length + 7) & ~(size_t)7) : NULL;

	*ret_path = length > 0 ? path : "";
	return path ? watch : NULL;
}

static struct reader watches_of(const struct record *record)
{
	struct reader reader = reader_of(record->body, record->length);

	(void)reader_take(&reader, sizeof(struct inotify_rec));
	return reader;
}

static int check_watch(const struct inotify_watch_rec *watch, const char *path, struct err *err)
{
	uint32_t length = le32_get(watch->path_length);
	uint32_t mask = le32_get(watch->mask);

	if (le32_get(watch->number) == 0 || le32_get(watch->number) > WATCH_NUMBER_MAX)
		return err_set(err, ERR_DAMAGED, "inotify: watch %u", le32_get(watch->number));
	if ((mask & ~(uint32_t)WATCH_MASK) != 0 || (mask & IN_ALL_EVENTS) == 0 ||
	    !file_type_is_valid(le32_get(watch->type)) || le32_get(watch->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "inotify: unknown bits");
	if ((le32_get(watch->file) != 0) != (length == 0))
		return err_set(err, ERR_DAMAGED, "inotify: a watch on nothing, or on two files");
	if (length > 0 && !file_path_is_valid(path, length))
		return err_set(err, ERR_DAMAGED, "inotify: bad path");
	for (uint32_t i = length; i % 8 != 0; i++) {
		if (path[i] != '\0')
			return err_set(err, ERR_DAMAGED, "inotify: unknown bits");
	}
	return 0;
}

static int inotify_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct inotify_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t last = 0;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "inotify: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) || le32_get(rec->has_masks_cut) > 1 ||
	    le32_get(rec->lost) > INT32_MAX)
		return err_set(err, ERR_DAMAGED, "inotify: unknown bits");
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		const char *path;
		const struct inotify_watch_rec *watch = next_watch(&reader, &path);
		int r = watch ? check_watch(watch, path, err) : 0;

		if (!watch || i >= WATCHES_MAX)
			return err_set(err, ERR_DAMAGED, "inotify: %zu bytes for %u watches",
				       length, le32_get(rec->count));
		if (r < 0)
			return r;
		if (le32_get(watch->number) <= last)
			return err_set(err, ERR_DAMAGED, "inotify: watches out of order");
		last = le32_get(watch->number);
	}
	if (reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "inotify: %zu bytes too many",
			       reader_left(&reader));
	return 0;
}

static uint32_t highest_of(const struct record *record)
{
	struct reader reader = watches_of(record);
	const struct inotify_watch_rec *watch;
	uint32_t highest = 0;
	const char *path;

	while (reader_left(&reader) > 0 && (watch = next_watch(&reader, &path)))
		highest = le32_get(watch->number);
	return highest;
}

static int check_numbers(const struct image *image, struct err *err)
{
	const struct record *record = NULL;
	uint64_t total = 0;

	while ((record = image_next(image, kind_inotify.tag, record)))
		total += highest_of(record);
	if (total > NUMBERS_MAX)
		return err_set(err, ERR_REFUSED,
			       "inotify: %" PRIu64 " numbers of watches, more than %d", total,
			       NUMBERS_MAX);
	return 0;
}

/* Only what is restored as the file that it was. */
static int inotify_link(const struct image *image, const struct record *record, struct err *err)
{
	struct reader reader = watches_of(record);
	const struct inotify_watch_rec *watch;
	const char *path;

	while (reader_left(&reader) > 0 && (watch = next_watch(&reader, &path))) {
		uint32_t file = le32_get(watch->file);

		if (file != 0 && !file_is_kept(image, file))
			return err_set(err, ERR_DAMAGED,
				       "inotify: object %u watches object %u, which is no file",
				       record->id, file);
	}
	return image_next(image, kind_inotify.tag, NULL) == record ? check_numbers(image, err) : 0;
}

/* Links are watched themselves; of others it is asked when they are found what they are. */
static mode_t place_type(const struct inotify_watch_rec *watch)
{
	return le32_get(watch->type) == S_IFLNK ? S_IFLNK : 0;
}

static int inotify_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	struct reader reader = watches_of(record);
	const struct inotify_watch_rec *watch;
	const char *path;

	(void)image;
	(void)err;
	while (reader_left(&reader) > 0 && (watch = next_watch(&reader, &path))) {
		struct file_trial trial = {
			.path = path,
			.flags = O_RDONLY,
			.type = place_type(watch),
			.detail = le32_get(watch->number),
		};

		if (le32_get(watch->file) != 0)
			continue;
		file_trial_run(plan, &trial);
		file_trial_expect(&trial, le32_get(watch->type));
		file_trial_ask(plan, record->id, &trial);
	}
	return 0;
}

/* ---- restore ---- */

/* Restoring opens and closes files: no watch that ends with its first event may see that. */
static uint32_t first_mask(uint32_t mask)
{
	return mask & IN_ONESHOT ? IN_MOVE_SELF : mask;
}

static int add_watch(struct restore *rs, int inotify, const struct inotify_watch_rec *watch,
		     const char *path, struct err *err)
{
	uint32_t number = le32_get(watch->number);
	auto_free char *link = NULL;
	auto_close int place = -1;
	int file = restore_fd(rs, le32_get(watch->file));
	int added;
	int r;

	if (le32_get(watch->file) == 0) {
		r = restore_open_path(rs, path, le32_get(watch->type), &place, err);
		if (r < 0)
			return r;
		file = place;
	}
	link = mem_printf("/proc/self/fd/%d", file);
	added = inotify_add_watch(inotify, link, first_mask(le32_get(watch->mask)));
	if (added < 0)
		return err_set(err, -errno, "watch %s", path);
	if ((uint32_t)added != number)
		return err_set(err, ERR_FAILED, "watch %s: it is also what watch %d is on", path,
			       added);
	return 0;
}

static int add_watches(struct restore *rs, const struct record *record, int inotify,
		       struct err *err)
{
	struct reader reader = watches_of(record);
	const struct inotify_watch_rec *watch;
	uint32_t next = 1;
	const char *path;

	while (reader_left(&reader) > 0 && (watch = next_watch(&reader, &path))) {
		uint32_t number = le32_get(watch->number);
		int r = inotify_skip_numbers(inotify, next, number, err);

		if (r == 0)
			r = add_watch(rs, inotify, watch, path, err);
		if (r < 0)
			return r;
		next = number + 1;
	}
	return 0;
}

static int inotify_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct inotify_rec *rec = record->body;
	auto_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int r;

	if (fd < 0) {
		(void)err_set(err, -errno, "create inotify");
		return err_hint(err, "raise fs.inotify.max_user_instances");
	}
	r = add_watches(rs, record, fd, err);
	if (r == 0)
		r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	if (r < 0)
		return r;
	if (le32_get(rec->has_masks_cut) && le32_get(rec->count) > 0)
		restore_note(rs, "the kernel of the checkpoint did not show which watches of "
				 "inotify end with their first event (IN_ONESHOT)");
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

static int finish_watch(struct restore *rs, const struct record *record,
			const struct inotify_watch_rec *watch, const char *path,
			struct script *script, struct err *err)
{
	uint32_t mask = le32_get(watch->mask);
	auto_free char *link =
	    mem_printf("/proc/self/fd/%d", restore_fd(rs, le32_get(watch->file)));
	const char *name = le32_get(watch->file) ? link : path;
	size_t step;
	int r = script_run(script, err);

	if (r < 0)
		return r;
	if (le32_get(watch->type) == S_IFLNK)
		mask |= IN_DONT_FOLLOW;
	step = script_syscall(script, "watch a file once", 0, SYS_inotify_add_watch,
			      (uint64_t)restore_fd(rs, record->id),
			      script_copy(script, name, strlen(name) + 1), mask);
	r = script_run(script, err);
	if (r == 0 && script_result(script, step) != le32_get(watch->number))
		r = err_set(err, ERR_FAILED, "watch %s: it was replaced", name);
	return r;
}

static int inotify_finish(struct restore *rs, const struct record *record, struct script *script,
			  struct err *err)
{
	struct reader reader = watches_of(record);
	const struct inotify_watch_rec *watch;
	const char *path;
	int r = 0;

	while (r == 0 && reader_left(&reader) > 0 && (watch = next_watch(&reader, &path))) {
		if (le32_get(watch->mask) & IN_ONESHOT)
			r = finish_watch(rs, record, watch, path, script, err);
	}
	return r;
}

/* Forgets what the restore itself has caused. */
static int inotify_settle(struct restore *rs, const struct record *record, int fd, struct err *err)
{
	const struct inotify_rec *rec = record->body;
	int r = inotify_drain(fd, err);

	if (r < 0 || le32_get(rec->lost) == 0)
		return r;
	restore_note(rs,
		     "%u bytes of inotify events were not read before the checkpoint: their reader "
		     "is told that the queue has overflowed",
		     le32_get(rec->lost));
	return inotify_overflow(fd, err);
}

const struct kind kind_inotify = {
	.name = "inotify",
	.summary = "watches on files and directories",
	.needs = "inotify",
	.tag = TAG('I', 'N', 'O', 'T'),
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.fields = inotify_fields,
	.match = inotify_match,
	.dump = inotify_dump,
	.check = inotify_check,
	.link = inotify_link,
	.ask = inotify_ask,
	.restore = inotify_restore,
	.finish = inotify_finish,
	.settle = inotify_settle,
};
