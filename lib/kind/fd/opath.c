/* Descriptors opened with O_PATH: a place in the file system, of whatever type, also a symbolic
 * link; never opened for real. One whose file was deleted is made from another descriptor of it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "restore/open.h"

extern const struct kind kind_opath;

RECORDS_BEGIN
struct opath_rec {
	le32 flags;    /* O_DIRECTORY, O_NOFOLLOW */
	le32 type;     /* S_IFMT bits */
	le32 carrier;  /* an open file description of the same deleted file; 0: it has a path */
	le32 reserved; /* zero */
		       /* then the path, with its NUL */
};
RECORDS_END
static_assert(sizeof(struct opath_rec) == 16, "image format");

/* clang-format off */
#define OPATH_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, flags, CLASS_FILE) \
	FIELD(rec, type, CLASS_FILE) \
	FIELD(rec, carrier, FIELD_LINK) \
	FIELD(rec, reserved, FIELD_FORM) \
	TAIL(rec, path, CLASS_FILE)
/* clang-format on */
FIELDS_OF(opath, struct opath_rec, OPATH_FIELDS);

#define PLACE_FLAGS (O_DIRECTORY | O_NOFOLLOW)

static const char *opath_path(const struct opath_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool opath_match(const struct target_fd *fd)
{
	return fd->flags & O_PATH && fd->link[0] == '/';
}

static int dump_deleted(struct dump *d, struct opath_rec *rec)
{
	const struct target_fd *fd = d->fd;

	rec->carrier = le32_make(dump_first_file(d, fd->stat.st_dev, fd->stat.st_ino));
	if (le32_get(rec->carrier) == 0)
		return dump_block(d, "let the program close it",
				  "O_PATH descriptor of %s, which nothing else has open", fd->link);
	dump_record(d, fd->id, &kind_opath, rec, sizeof(*rec));
	return 0;
}

static int opath_dump(struct dump *d, struct err *err)
{
	const struct target_fd *fd = d->fd;
	struct opath_rec rec = {
		.flags = le32_make(fd->flags & PLACE_FLAGS),
		.type = le32_make(fd->stat.st_mode & S_IFMT),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *path = NULL;

	(void)err;
	if (file_is_of_a_process(fd))
		return dump_block(d, "let the program close it", "%s is a file of one process",
				  fd->link);
	if (fd->stat.st_nlink == 0)
		return dump_deleted(d, &rec);
	file_dump_path(d, &path);
	if (!path)
		return 0;
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	dump_record(d, fd->id, &kind_opath, body.data, body.size);
	return 0;
}

static int opath_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct opath_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "opath: %zu bytes", length);
	if ((le32_get(rec->flags) & ~(uint32_t)PLACE_FLAGS) != 0 || le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "opath: unknown bits");
	if (!file_type_is_valid(le32_get(rec->type)) ||
	    (le32_get(rec->type) != S_IFDIR && le32_get(rec->flags) & O_DIRECTORY) ||
	    (le32_get(rec->type) == S_IFLNK && !(le32_get(rec->flags) & O_NOFOLLOW)))
		return err_set(err, ERR_DAMAGED, "opath: impossible type");
	if (le32_get(rec->carrier) != 0 && reader_left(&reader) == 0)
		return 0;
	if (le32_get(rec->carrier) != 0 ||
	    !file_path_is_valid(opath_path(rec), reader_left(&reader)))
		return err_set(err, ERR_DAMAGED, "opath: bad path");
	return 0;
}

static int opath_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct opath_rec *rec = record->body;
	uint32_t carrier = le32_get(rec->carrier);

	if (carrier != 0 && !file_is_kept(image, carrier))
		return err_set(err, ERR_DAMAGED, "opath: object %u carries no content", carrier);
	return 0;
}

static int opath_ask(struct plan *plan, const struct image *image, const struct record *record,
		     struct err *err)
{
	const struct opath_rec *rec = record->body;
	struct file_trial trial = {
		.path = opath_path(rec),
		.flags = O_PATH,
		.type = le32_get(rec->type),
	};

	(void)image;
	(void)err;
	if (le32_get(rec->carrier) != 0)
		return 0;
	file_trial_run(plan, &trial);
	file_trial_ask(plan, record->id, &trial);
	return 0;
}

static int opath_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct opath_rec *rec = record->body;
	uint32_t flags = le32_get(rec->flags);
	auto_close int fd = -1;
	int r;

	if (le32_get(rec->carrier) != 0)
		r = restore_place_again(rs, restore_fd(rs, le32_get(rec->carrier)), &fd, err);
	else
		r = restore_open_place(rs, opath_path(rec), flags, le32_get(rec->type), &fd, err);
	if (r < 0)
		return r;
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_opath = {
	.name = "opath",
	.summary = "places in the file system, opened with O_PATH",
	.tag = TAG('O', 'P', 'T', 'H'),
	.scope = SCOPE_FD,
	.phase = PHASE_LINKED,
	.fields = opath_fields,
	.match = opath_match,
	.dump = opath_dump,
	.check = opath_check,
	.link = opath_link,
	.ask = opath_ask,
	.restore = opath_restore,
};
