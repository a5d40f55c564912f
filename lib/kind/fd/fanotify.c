/* fanotify: marks on files, as an ordinary user may set them: events name files by handle. What is
 * marked is found again by path or descriptor. Events that nobody has read cannot be put back. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/fanotify_marks.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "restore/open.h"

extern const struct kind kind_fanotify;

enum { MARKS_MAX = 1 << 16, HANDLE_MAX = 512 };

/* linux/fanotify.h; libc may not know the newer ones */
#define REPORT_FID   0x200u
#define REPORT_DIR   0x400u
#define REPORT_ALL   0x1e00u /* fid, dir_fid, name, target_fid */
#define GROUP_OTHERS 0x3u    /* FAN_CLOEXEC, FAN_NONBLOCK: the descriptor tells */
#define EVENT_FLAGS                                                                                \
	(uint32_t)(O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | O_NOATIME | 0100000)

#define MARK_SURVIVES  0x40u
#define MARK_EVICTABLE 0x200u
#define MARK_IGNORE    0x400u
#define MARK_FLAGS     (MARK_SURVIVES | MARK_EVICTABLE | MARK_IGNORE)
#define ON_CHILD       0x08000000u
#define MARK_MASK      (0x1fffu | 0x10000000u /* FAN_RENAME */ | ON_CHILD | 0x40000000u)

RECORDS_BEGIN
struct fanotify_rec {
	le32 flags;
	le32 group;	  /* FAN_REPORT_* */
	le32 event_flags; /* of fanotify_init(2) */
	le32 count;	  /* of the marks that follow */
};
struct fanotify_mark_rec {
	le32 mask;	    /* FAN_* */
	le32 ignored;	    /* likewise, of the ignore mask */
	le32 flags;	    /* FAN_MARK_* */
	le32 type;	    /* S_IFMT bits of what is marked */
	le32 file;	    /* an open file description; 0: the path */
	le32 path_length;   /* with its NUL; 0: none */
	le32 handle_length; /* of the file's handle as the kernel shows it, with its NUL */
	le32 reserved;	    /* zero */
			    /* then the path and the handle, and zeros up to a multiple of 8 */
};
RECORDS_END
static_assert(sizeof(struct fanotify_rec) == 16, "image format");
static_assert(sizeof(struct fanotify_mark_rec) == 32, "image format");

/* clang-format off */
#define FANOTIFY_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, flags, FIELD_FREE) \
	FIELD(rec, group, FIELD_FREE) \
	FIELD(rec, event_flags, FIELD_FREE) \
	FIELD(rec, count, FIELD_FORM) \
	TAIL(rec, marks, CLASS_FILE)
/* clang-format on */
FIELDS_OF(fanotify, struct fanotify_rec, FANOTIFY_FIELDS);

static bool fanotify_match(const struct target_fd *fd)
{
	return strcmp(fd->link, "anon_inode:[fanotify]") == 0;
}

/* ---- dump ---- */

/* What only the host's administrator may ask for. */
static bool block_group(struct dump *d, uint32_t flags)
{
	const char *fdinfo = d->fd->fdinfo;

	if (flags & ~(REPORT_ALL | GROUP_OTHERS) || !(flags & (REPORT_FID | REPORT_DIR)))
		return dump_block(d, "let the program make it without privileges",
				  "fanotify with flags %#x is not supported", flags) == 0;
	if (fanotify_find_line(fdinfo, "fanotify mnt_id:") ||
	    fanotify_find_line(fdinfo, "fanotify sdev:") ||
	    fanotify_find_line(fdinfo, "fanotify mnt_ns:"))
		return dump_block(d, "let the program mark files and directories",
				  "fanotify marks a whole mount or file system") == 0;
	if (d->fd->unread > 0) {
		(void)dump_block(d, "let the program read them",
				 "fanotify has events that were not read");
		dump_block_is_momentary(d);
		return true;
	}
	return false;
}

static bool block_marks(struct dump *d, const struct fanotify_marks *marks)
{
	bool is_blocked = false;

	for (size_t i = 0; i < marks->count; i++) {
		const struct watched *watched = &marks->watched[i];
		const struct fanotify_mark *mark = &marks->list[i];

		if (mark->flags & ~MARK_FLAGS || (mark->mask | mark->ignored) & ~MARK_MASK)
			(void)dump_block(d, NULL, "fanotify mark %#x, %#x, %#x is not supported",
					 mark->flags, mark->mask, mark->ignored);
		else if (strlen(watched->handle) >= HANDLE_MAX)
			(void)dump_block(d, NULL, "fanotify marks a file with a long handle");
		else if (watched->file == 0 && !watched->path)
			(void)dump_block(d, "let the program remove the mark",
					 "fanotify marks a file that was not found (inode %" PRIu64
					 " of device %u:%u)",
					 watched->inode, watched->dev_major, watched->dev_minor);
		else
			continue;
		is_blocked = true;
	}
	return is_blocked;
}

static void put_mark(struct buf *body, const struct fanotify_mark *mark,
		     const struct watched *watched)
{
	size_t path_length = watched->file ? 0 : strlen(watched->path) + 1;
	size_t handle_length = strlen(watched->handle) + 1;
	struct fanotify_mark_rec rec = {
		.mask = le32_make(mark->mask),
		.ignored = le32_make(mark->ignored),
		.flags = le32_make(mark->flags),
		.type = le32_make(watched->type),
		.file = le32_make(watched->file),
		.path_length = le32_make((uint32_t)path_length),
		.handle_length = le32_make((uint32_t)handle_length),
	};

	(void)buf_append(body, &rec, sizeof(rec));
	if (path_length > 0)
		(void)buf_append(body, watched->path, path_length);
	(void)buf_append(body, watched->handle, handle_length);
	buf_align(body, 8);
}

static void put_marks(struct dump *d, uint32_t flags, uint32_t event_flags,
		      const struct fanotify_marks *marks)
{
	struct fanotify_rec rec = {
		.flags = le32_make(file_flags(d->fd)),
		.group = le32_make(flags & REPORT_ALL),
		.event_flags = le32_make(event_flags & EVENT_FLAGS),
		.count = le32_make((uint32_t)marks->count),
	};
	auto_buf struct buf body = BUF_EMPTY;

	(void)buf_append(&body, &rec, sizeof(rec));
	/* The kernel lists the newest first. */
	for (size_t i = marks->count; i-- > 0;)
		put_mark(&body, &marks->list[i], &marks->watched[i]);
	dump_record(d, d->fd->id, &kind_fanotify, body.data, body.size);
}

static int fanotify_dump(struct dump *d, struct err *err)
{
	auto_fanotify_marks struct fanotify_marks marks = { .list = NULL };
	const char *line = fanotify_find_line(d->fd->fdinfo, "fanotify flags:");
	uint32_t event_flags;
	uint32_t flags;
	int r;

	if (file_block_extras(d))
		return 0;
	if (d->fd->is_in_flight)
		return dump_block(d, "let the program receive it first",
				  "fanotify in flight is not supported");
	if (!line || sscanf(line, "fanotify flags:%" SCNx32 " event-flags:%" SCNx32, &flags,
			    &event_flags) != 2)
		return err_set(err, ERR_HOST, "this kernel shows fanotify in another form");
	if (block_group(d, flags))
		return 0;
	r = fanotify_marks_parse(d->fd->fdinfo, &marks, err);
	if (r < 0)
		return r;
	if (marks.count > MARKS_MAX)
		return dump_block(d, NULL, "fanotify has more than %d marks", MARKS_MAX);
	r = marks.count > 0 ? watched_find(d, marks.watched, marks.count, err) : 0;
	if (r == 0 && !block_marks(d, &marks))
		put_marks(d, flags, event_flags, &marks);
	return r;
}

/* ---- check, link, ask ---- */

struct mark_view {
	const struct fanotify_mark_rec *rec;
	const char *path;   /* "" if it has none */
	const char *handle; /* "" if the kernel showed none */
};

/* False if the bytes are cut, or it is none. */
static bool next_mark(struct reader *reader, struct mark_view *ret_mark)
{
	const struct fanotify_mark_rec *rec = reader_take(reader, sizeof(*rec));
	uint64_t path_length = rec ? le32_get(rec->path_length) : 0;
	uint64_t length = rec ? path_length + le32_get(rec->handle_length) : 0;
	const char *texts = rec ? reader_take(reader, (length + 7) & ~(uint64_t)7) : NULL;

	if (!texts)
		return false;
	*ret_mark = (struct mark_view){ rec, path_length > 0 ? texts : "", texts + path_length };
	return true;
}

static struct reader marks_of(const struct record *record)
{
	struct reader reader = reader_of(record->body, record->length);

	(void)reader_take(&reader, sizeof(struct fanotify_rec));
	return reader;
}

static bool is_text(const char *text, uint32_t length)
{
	return length > 0 && length <= HANDLE_MAX &&
	       memchr(text, '\0', length) == text + length - 1;
}

static int check_mark(const struct mark_view *mark, struct err *err)
{
	const struct fanotify_mark_rec *rec = mark->rec;
	uint32_t path_length = le32_get(rec->path_length);
	uint32_t length = le32_get(rec->handle_length);

	if (((le32_get(rec->mask) | le32_get(rec->ignored)) & ~MARK_MASK) != 0 ||
	    (le32_get(rec->flags) & ~MARK_FLAGS) != 0 || !file_type_is_valid(le32_get(rec->type)) ||
	    le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "fanotify: unknown bits");
	if ((le32_get(rec->file) != 0) != (path_length == 0))
		return err_set(err, ERR_DAMAGED, "fanotify: a mark on nothing, or on two files");
	if (path_length > 0 && !file_path_is_valid(mark->path, path_length))
		return err_set(err, ERR_DAMAGED, "fanotify: bad path");
	if (!is_text(mark->handle, length))
		return err_set(err, ERR_DAMAGED, "fanotify: bad handle");
	for (uint32_t i = length; (path_length + i) % 8 != 0; i++) {
		if (mark->handle[i] != '\0')
			return err_set(err, ERR_DAMAGED, "fanotify: unknown bits");
	}
	return 0;
}

static int fanotify_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct fanotify_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t group = rec ? le32_get(rec->group) : 0;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "fanotify: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)) || (group & ~REPORT_ALL) != 0 ||
	    !(group & (REPORT_FID | REPORT_DIR)) ||
	    (le32_get(rec->event_flags) & ~EVENT_FLAGS) != 0)
		return err_set(err, ERR_DAMAGED, "fanotify: unknown bits");
	for (uint32_t i = 0; i < le32_get(rec->count); i++) {
		struct mark_view mark;
		int r;

		if (i >= MARKS_MAX || !next_mark(&reader, &mark))
			return err_set(err, ERR_DAMAGED, "fanotify: %zu bytes for %u marks", length,
				       le32_get(rec->count));
		r = check_mark(&mark, err);
		if (r < 0)
			return r;
	}
	if (reader_left(&reader) != 0)
		return err_set(err, ERR_DAMAGED, "fanotify: %zu bytes too many",
			       reader_left(&reader));
	return 0;
}

static int fanotify_link(const struct image *image, const struct record *record, struct err *err)
{
	struct reader reader = marks_of(record);
	struct mark_view mark;

	while (next_mark(&reader, &mark)) {
		uint32_t file = le32_get(mark.rec->file);

		if (file != 0 && !file_is_kept(image, file))
			return err_set(err, ERR_DAMAGED,
				       "fanotify: object %u marks object %u, which is no file",
				       record->id, file);
	}
	return 0;
}

/* Links are marked themselves; of others it is asked when they are found what they are. */
static int fanotify_ask(struct plan *plan, const struct image *image, const struct record *record,
			struct err *err)
{
	struct reader reader = marks_of(record);
	struct mark_view mark;

	(void)image;
	(void)err;
	for (uint32_t i = 1; next_mark(&reader, &mark); i++) {
		mode_t type = le32_get(mark.rec->type);
		struct file_trial trial = {
			.path = mark.path,
			.flags = O_RDONLY,
			.type = type == S_IFLNK ? S_IFLNK : 0,
			.detail = i,
		};

		if (le32_get(mark.rec->file) != 0)
			continue;
		file_trial_run(plan, &trial);
		file_trial_expect(&trial, type);
		file_trial_ask(plan, record->id, &trial);
	}
	return 0;
}

/* ---- restore ---- */

static int set_mark(int fanotify, const struct mark_view *mark, const char *link, struct err *err)
{
	uint32_t flags = le32_get(mark->rec->flags);
	uint32_t mask = le32_get(mark->rec->mask);
	uint32_t ignored = le32_get(mark->rec->ignored);
	uint32_t kept = FAN_MARK_ADD | (flags & MARK_EVICTABLE);
	uint32_t how = flags & MARK_IGNORE ? MARK_IGNORE : FAN_MARK_IGNORED_MASK;
	/* The kernel sets this bit on whatever it is; a program may ask for it for directories. */
	uint32_t no = le32_get(mark->rec->type) == S_IFDIR ? 0 : ON_CHILD;

	if (mask & ~no && fanotify_mark(fanotify, kept, mask & ~no, AT_FDCWD, link) < 0)
		return err_set(err, -errno, "mark %s", mark->path);
	how |= kept | (flags & MARK_SURVIVES);
	if (ignored & ~no && fanotify_mark(fanotify, how, ignored & ~no, AT_FDCWD, link) < 0)
		return err_set(err, -errno, "mark %s to be ignored", mark->path);
	return 0;
}

static int add_mark(struct restore *rs, int fanotify, const struct mark_view *mark, struct err *err)
{
	int file = restore_fd(rs, le32_get(mark->rec->file));
	auto_free char *link = NULL;
	auto_close int place = -1;

	if (le32_get(mark->rec->file) == 0) {
		int r = restore_open_path(rs, mark->path, le32_get(mark->rec->type), &place, err);

		if (r < 0)
			return r;
		file = place;
	}
	link = mem_printf("/proc/self/fd/%d", file);
	return set_mark(fanotify, mark, link, err);
}

/* Programs know files by their handles: those of others are not the same. */
static int compare_marks(struct restore *rs, const struct record *record, int fanotify,
			 struct err *err)
{
	auto_free char *path = mem_printf("/proc/self/fdinfo/%d", fanotify);
	auto_buf struct buf text = BUF_EMPTY;
	struct reader reader = marks_of(record);
	struct mark_view mark;
	int r = procfs_read(AT_FDCWD, path, &text, err);

	while (r == 0 && next_mark(&reader, &mark)) {
		auto_free char *masks =
		    mem_printf(" mflags:%x mask:%x ignored_mask:%x ", le32_get(mark.rec->flags),
			       le32_get(mark.rec->mask), le32_get(mark.rec->ignored));

		if (!strstr(text.data, masks))
			return err_set(err, ERR_HOST, "this kernel makes other marks of%s", masks);
		if (!strstr(text.data, mark.handle))
			restore_note(rs, "fanotify tells of %s by another handle than before",
				     mark.path[0] ? mark.path : "an open file");
	}
	return r;
}

static int fanotify_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct fanotify_rec *rec = record->body;
	auto_close int fd = fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | le32_get(rec->group),
					  le32_get(rec->event_flags));
	struct reader reader = marks_of(record);
	struct mark_view mark;
	int r = 0;

	if (fd < 0) {
		(void)err_set(err, -errno, "create fanotify");
		return err_hint(err, "raise fs.fanotify.max_user_groups");
	}
	while (r == 0 && next_mark(&reader, &mark))
		r = add_mark(rs, fd, &mark, err);
	if (r == 0)
		r = compare_marks(rs, record, fd, err);
	if (r == 0)
		r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

/* Forgets what the restore itself has caused. */
static int fanotify_settle(struct restore *rs, const struct record *record, int fd, struct err *err)
{
	char events[8192];
	int size;

	(void)rs;
	(void)record;
	while (ioctl(fd, FIONREAD, &size) == 0 && size > 0) {
		if (read(fd, events, sizeof(events)) < 0)
			return err_set(err, -errno, "read fanotify events");
	}
	return 0;
}

const struct kind kind_fanotify = {
	.name = "fanotify",
	.summary = "fanotify marks on files and directories",
	.tag = TAG('F', 'A', 'N', 'O'),
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.fields = fanotify_fields,
	.match = fanotify_match,
	.dump = fanotify_dump,
	.check = fanotify_check,
	.link = fanotify_link,
	.ask = fanotify_ask,
	.restore = fanotify_restore,
	.settle = fanotify_settle,
};
