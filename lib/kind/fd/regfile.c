/* Regular files. One with a name is found by it again, and opened as the invoker; one that was
 * deleted is saved by value, and its first description carries it for all others. */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_content.h"
#include "kind/support/file_identity.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/mqueue.h"
#include "restore/open.h"

extern const struct kind kind_regfile;

RECORDS_BEGIN
struct regfile_rec {
	le32 flags;
	le32 is_deleted; /* 0 or 1 */
	le32 carrier;	 /* deleted: the description that carries the content; 0: this one */
	le32 mode;	 /* deleted: permission bits */
	le64 offset;
	struct file_identity_rec identity;
	/* then the path, with its NUL */
};
RECORDS_END
static_assert(sizeof(struct regfile_rec) == 120, "image format");

/* clang-format off */
#define REGFILE_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, flags, CLASS_FILE) \
	FIELD(rec, is_deleted, FIELD_FREE) \
	FIELD(rec, carrier, FIELD_LINK) \
	FIELD(rec, mode, FIELD_FREE) \
	FIELD(rec, offset, FIELD_FREE) \
	FIELD(rec, identity, CLASS_FILE) \
	TAIL(rec, path, CLASS_FILE)
/* clang-format on */
FIELDS_OF(regfile, struct regfile_rec, REGFILE_FIELDS);

static const char *regfile_path(const struct regfile_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool regfile_match(const struct target_fd *fd)
{
	struct statfs fs;

	if (!S_ISREG(fd->stat.st_mode) || (fd->flags & O_PATH) || fd->link[0] != '/')
		return false;
	if (fstatfs(fd->fd, &fs) == 0 &&
	    (fs.f_type == SECRETMEM_MAGIC || fs.f_type == NAMESPACE_MAGIC))
		return false;
	return !file_is_memfd(fd) && !mqueue_is(fd);
}

static char *regfile_dump_path(struct dump *d)
{
	const struct target_fd *fd = d->fd;
	char *path = NULL;

	if (fd->stat.st_nlink > 0) {
		file_dump_path(d, &path);
		return path;
	}
	path = file_deleted_path(fd->link);
	if (file_path_is_valid(path, strlen(path) + 1))
		return path;
	(void)dump_block(d, NULL, "the path of a deleted file is too long");
	free(path);
	return NULL;
}

static int regfile_dump(struct dump *d, struct err *err)
{
	const struct target_fd *fd = d->fd;
	bool is_deleted = fd->stat.st_nlink == 0;
	uint32_t first = dump_first_file(d, fd->stat.st_dev, fd->stat.st_ino);
	struct regfile_rec rec = {
		.flags = le32_make(file_flags(fd)),
		.is_deleted = le32_make(is_deleted),
		.carrier = le32_make(is_deleted && first != fd->id ? first : 0),
		.mode = le32_make(is_deleted ? fd->stat.st_mode & 0777 : 0),
		.offset = le64_make(fd->position),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *path = NULL;
	struct file_identity identity;
	int r;

	if (file_block_extras(d))
		return 0;
	path = regfile_dump_path(d);
	if (!path)
		return 0;
	r = file_identity_get(fd->fd, &identity);
	if (r < 0)
		return err_set(err, r, "look at %s", fd->link);

	rec.identity = file_identity_put(&identity);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	dump_record(d, fd->id, &kind_regfile, body.data, body.size);
	if (is_deleted && first == fd->id)
		file_content_dump(d, fd->id);
	return 0;
}

static int check_deleted(const struct regfile_rec *rec, struct err *err)
{
	uint32_t is_deleted = le32_get(rec->is_deleted);

	if (is_deleted > 1 || (le32_get(rec->mode) & ~0777u) != 0)
		return err_set(err, ERR_DAMAGED, "regfile: unknown bits");
	if (!is_deleted && (le32_get(rec->carrier) != 0 || le32_get(rec->mode) != 0))
		return err_set(err, ERR_DAMAGED, "regfile: content for a file with a name");
	return 0;
}

static int regfile_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct regfile_rec *rec = reader_take(&reader, sizeof(*rec));
	int r;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "regfile: %zu bytes", length);
	if (!file_flags_are_valid(le32_get(rec->flags)))
		return err_set(err, ERR_DAMAGED, "regfile: unknown flags %#x",
			       le32_get(rec->flags));
	if (le64_get(rec->offset) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "regfile: impossible offset");
	r = check_deleted(rec, err);
	if (r == 0)
		r = file_identity_check(&rec->identity, err);
	if (r < 0)
		return r;
	if (le32_get(rec->identity.type) != S_IFREG)
		return err_set(err, ERR_DAMAGED, "regfile: not a regular file");
	if (!file_path_is_valid(regfile_path(rec), reader_left(&reader)))
		return err_set(err, ERR_DAMAGED, "regfile: bad path");
	return 0;
}

static int regfile_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct regfile_rec *rec = record->body;
	const struct regfile_rec *carrier;
	const struct record *found;

	if (le32_get(rec->carrier) == 0)
		return file_content_link(image, record->id, le64_get(rec->identity.size), err);
	found = file_carrier(image, record, le32_get(rec->carrier), err);
	if (!found)
		return err->code;
	carrier = found->body;
	if (le32_get(carrier->is_deleted) == 0 || le32_get(carrier->carrier) != 0)
		return err_set(err, ERR_DAMAGED, "regfile: object %u carries no content",
			       found->id);
	return 0;
}

/* Reading on would find an end where there was data. */
static bool is_cut_off(const struct regfile_rec *rec, uint64_t size)
{
	uint64_t offset = le64_get(rec->offset);

	return size < le64_get(rec->identity.size) && offset > size &&
	       !(le32_get(rec->flags) & O_APPEND);
}

static int regfile_ask(struct plan *plan, const struct image *image, const struct record *record,
		       struct err *err)
{
	const struct regfile_rec *rec = record->body;
	struct file_identity saved = file_identity_of(&rec->identity);
	auto_file_trial struct file_trial trial = {
		.path = regfile_path(rec),
		.flags = le32_get(rec->flags),
		.type = S_IFREG,
		.is_descriptor = true,
		.is_identified = true,
	};

	(void)image;
	(void)err;
	if (le32_get(rec->is_deleted))
		return 0;
	file_trial_run(plan, &trial);
	if (trial.result == 0 && is_cut_off(rec, (uint64_t)trial.stat.st_size)) {
		trial.result = -ESTALE;
		trial.trouble = "it has been truncated below the saved position";
	}
	if (trial.has_identity)
		trial.remark = file_identity_explain(&saved, &trial.identity);
	file_trial_ask(plan, record->id, &trial);
	return 0;
}

static bool regfile_grant(const struct image *image, const struct record *record,
			  struct grant_look *ret_look)
{
	const struct regfile_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.type = S_IFREG,
		.name = regfile_path(rec),
		.flags = le32_get(rec->flags),
		.position = le64_get(rec->offset),
		.size = le64_get(rec->identity.size),
	};
	return le32_get(rec->is_deleted) == 0;
}

static int compare(struct restore *rs, const struct regfile_rec *rec, int fd, struct err *err)
{
	struct file_identity saved = file_identity_of(&rec->identity);
	auto_free char *difference = NULL;
	struct file_identity now;
	int r;

	r = file_identity_get(fd, &now);
	if (r < 0)
		return err_set(err, r, "look at %s", regfile_path(rec));
	if (is_cut_off(rec, now.size))
		return err_set(err, ERR_REFUSED,
			       "file %s has been truncated below the saved position",
			       regfile_path(rec));
	difference = file_identity_explain(&saved, &now);
	if (difference)
		restore_note(rs, "file %s: %s", regfile_path(rec), difference);
	return 0;
}

static int restore_deleted(struct restore *rs, const struct record *record, int *ret_fd,
			   struct err *err)
{
	const struct regfile_rec *rec = record->body;
	auto_close int file = -1;
	int r;

	r = restore_unnamed(rs, regfile_path(rec), le32_get(rec->mode),
			    le64_get(rec->identity.size), &file, err);
	if (r == 0)
		r = file_content_restore(rs, record->id, file, err);
	if (r < 0)
		return r;
	return restore_reopen(rs, file, le32_get(rec->flags), ret_fd, err);
}

static int regfile_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct regfile_rec *rec = record->body;
	uint64_t offset = le64_get(rec->offset);
	uint32_t flags = le32_get(rec->flags);
	auto_close int fd = -1;
	int r;

	if (le32_get(rec->carrier) != 0)
		return file_restore_again(rs, record, le32_get(rec->carrier), flags, offset, err);

	if (le32_get(rec->is_deleted))
		r = restore_deleted(rs, record, &fd, err);
	else
		r = restore_open(rs, regfile_path(rec), flags, S_IFREG, &fd, err);
	if (r == 0 && !le32_get(rec->is_deleted) && !restore_has_device(rs, fd))
		r = compare(rs, rec, fd, err);
	if (r < 0)
		return r;
	if (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return err_set(err, -errno, "set position %" PRIu64 " of %s", offset,
			       regfile_path(rec));
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_regfile = {
	.name = "regfile",
	.summary = "regular files, also deleted ones",
	.tag = TAG('R', 'E', 'G', 'F'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = regfile_fields,
	.match = regfile_match,
	.dump = regfile_dump,
	.check = regfile_check,
	.link = regfile_link,
	.ask = regfile_ask,
	.grant = regfile_grant,
	.restore = regfile_restore,
};
