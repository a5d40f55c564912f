/* Directories: found again by path, with the position of the next entry. One that was removed is
 * empty, and stays so. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "restore/open.h"

extern const struct kind kind_directory;

RECORDS_BEGIN
struct directory_rec {
	le64 offset; /* the file system's own cookie */
	le32 flags;
	le32 removed; /* the mode of one that was removed; 0: it is there */
};
RECORDS_END
static_assert(sizeof(struct directory_rec) == 16, "image format");

/* clang-format off */
#define DIRECTORY_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, offset, FIELD_FREE) \
	FIELD(rec, flags, CLASS_FILE) \
	FIELD(rec, removed, FIELD_FREE) \
	TAIL(rec, path, CLASS_FILE)
/* clang-format on */
FIELDS_OF(directory, struct directory_rec, DIRECTORY_FIELDS);

static const char *directory_path(const struct directory_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool directory_match(const struct target_fd *fd)
{
	return S_ISDIR(fd->stat.st_mode) && !(fd->flags & O_PATH) && fd->link[0] == '/' &&
	       !file_is_of_a_process(fd);
}

static char *directory_dump_path(struct dump *d)
{
	char *path = NULL;

	if (d->fd->stat.st_nlink > 0) {
		file_dump_path(d, &path);
		return path;
	}
	path = file_deleted_path(d->fd->link);
	if (file_path_is_valid(path, strlen(path) + 1))
		return path;
	(void)dump_block(d, NULL, "the path of a removed directory is too long");
	free(path);
	return NULL;
}

static int directory_dump(struct dump *d, struct err *err)
{
	struct directory_rec rec = {
		.offset = le64_make(d->fd->position),
		.flags = le32_make(file_flags(d->fd)),
	};
	auto_buf struct buf body = BUF_EMPTY;
	auto_free char *path = NULL;

	(void)err;
	if (file_block_extras(d))
		return 0;
	path = directory_dump_path(d);
	if (!path)
		return 0;
	if (d->fd->stat.st_nlink == 0)
		rec.removed = le32_make(d->fd->stat.st_mode);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	dump_record(d, d->fd->id, &kind_directory, body.data, body.size);
	return 0;
}

static int directory_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct directory_rec *rec = reader_take(&reader, sizeof(*rec));
	uint32_t flags;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "directory: %zu bytes", length);
	flags = le32_get(rec->flags);
	if (!file_flags_are_valid(flags) || file_can_write(flags))
		return err_set(err, ERR_DAMAGED, "directory: impossible flags %#x", flags);
	if ((le32_get(rec->removed) != 0 && (le32_get(rec->removed) & ~07777u) != S_IFDIR) ||
	    le64_get(rec->offset) > INT64_MAX)
		return err_set(err, ERR_DAMAGED, "directory: unknown bits");
	if (!file_path_is_valid(directory_path(rec), reader_left(&reader)))
		return err_set(err, ERR_DAMAGED, "directory: bad path");
	return 0;
}

static int directory_ask(struct plan *plan, const struct image *image, const struct record *record,
			 struct err *err)
{
	const struct directory_rec *rec = record->body;
	struct file_trial trial = {
		.path = directory_path(rec),
		.flags = le32_get(rec->flags),
		.type = S_IFDIR,
		.is_descriptor = true,
	};

	(void)image;
	(void)err;
	if (le32_get(rec->removed) != 0)
		return 0;
	file_trial_run(plan, &trial);
	file_trial_ask(plan, record->id, &trial);
	return 0;
}

static bool directory_grant(const struct image *image, const struct record *record,
			    struct grant_look *ret_look)
{
	const struct directory_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.type = S_IFDIR,
		.name = directory_path(rec),
		.flags = le32_get(rec->flags),
		.position = le64_get(rec->offset),
	};
	return le32_get(rec->removed) == 0;
}

static int restore_removed(struct restore *rs, const struct record *record, struct err *err)
{
	const struct directory_rec *rec = record->body;
	auto_close int fd = -1;
	int r;

	r = restore_removed_directory(directory_path(rec), le32_get(rec->removed), &fd, err);
	if (r == 0)
		r = restore_status_flags(rs, fd, le32_get(rec->flags), err);
	return r < 0 ? r : restore_give_fd(rs, record, take_fd(&fd), err);
}

static int directory_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct directory_rec *rec = record->body;
	uint64_t offset = le64_get(rec->offset);
	auto_close int fd = -1;
	int r;

	if (le32_get(rec->removed) != 0)
		return restore_removed(rs, record, err);
	r = restore_open(rs, directory_path(rec), le32_get(rec->flags), S_IFDIR, &fd, err);
	if (r < 0)
		return r;
	if (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		restore_note(rs, "directory %s is read from its start again: %s",
			     directory_path(rec), strerror(errno));
	return restore_give_fd(rs, record, take_fd(&fd), err);
}

const struct kind kind_directory = {
	.name = "directory",
	.summary = "open directories",
	.tag = TAG('D', 'I', 'R', 'F'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = directory_fields,
	.match = directory_match,
	.dump = directory_dump,
	.check = directory_check,
	.ask = directory_ask,
	.grant = directory_grant,
	.restore = directory_restore,
};
