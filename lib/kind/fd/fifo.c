/* Named pipes: found again by path; content and ends as for pipes. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/file_trial.h"
#include "kind/support/files.h"
#include "kind/support/grant.h"
#include "kind/support/pipe_ends.h"
#include "restore/open.h"

extern const struct kind kind_fifo;

RECORDS_BEGIN
struct fifo_rec {
	struct pipe_rec pipe;
	le32 path_size; /* with the NUL */
	le32 reserved;	/* zero */
			/* then the path, then the content */
};
RECORDS_END
static_assert(sizeof(struct fifo_rec) == 24, "image format");

/* clang-format off */
#define FIFO_FIELDS(FIELD, TAIL, rec) \
	FIELD(rec, pipe, CLASS_FILE) \
	FIELD(rec, path_size, FIELD_FORM) \
	FIELD(rec, reserved, FIELD_FORM) \
	TAIL(rec, path, CLASS_FILE)
/* clang-format on */
FIELDS_OF(fifo, struct fifo_rec, FIFO_FIELDS);

static const char *fifo_path(const struct fifo_rec *rec)
{
	return (const char *)(rec + 1);
}

static bool fifo_match(const struct target_fd *fd)
{
	return S_ISFIFO(fd->stat.st_mode) && !(fd->flags & O_PATH) && fd->link[0] == '/';
}

static int fifo_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf content = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	struct fifo_rec rec = { .reserved = le32_make(0) };
	auto_free char *path = NULL;

	(void)err;
	if (file_block_extras(d))
		return 0;
	file_dump_path(d, &path);
	if (!path)
		return 0;
	if (pipe_leads_outside(d))
		return external_takes(d)
			   ? 0
			   : dump_block(d, NULL, "fifo %s is also open outside of the container",
					path);
	if (!pipe_save(d, &rec.pipe, &content))
		return 0;

	rec.path_size = le32_make((uint32_t)strlen(path) + 1);
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, path, strlen(path) + 1);
	(void)buf_append(&body, content.data, content.size);
	dump_record(d, d->fd->id, &kind_fifo, body.data, body.size);
	return 0;
}

static int fifo_check(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct fifo_rec *rec = reader_take(&reader, sizeof(*rec));
	const char *path;

	if (!rec)
		return err_set(err, ERR_DAMAGED, "fifo: %zu bytes", length);
	if (le32_get(rec->reserved) != 0)
		return err_set(err, ERR_DAMAGED, "fifo: unknown bits");
	path = reader_take(&reader, le32_get(rec->path_size));
	if (!path || !file_path_is_valid(path, le32_get(rec->path_size)))
		return err_set(err, ERR_DAMAGED, "fifo: bad path");
	return pipe_check(&rec->pipe, reader_left(&reader), err);
}

static int fifo_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct fifo_rec *rec = record->body;
	const struct record *carrier;

	if (le32_get(rec->pipe.carrier) == 0)
		return 0;
	carrier = file_carrier(image, record, le32_get(rec->pipe.carrier), err);
	if (!carrier)
		return err->code;
	if (le32_get(((const struct fifo_rec *)carrier->body)->pipe.carrier) != 0)
		return err_set(err, ERR_DAMAGED, "fifo: object %u carries no fifo", carrier->id);
	return 0;
}

/* An end that is opened alone would wait for the other, or fail; one that reads and writes never.
 * A reader can do without, if there is nothing to fill in. */
static uint32_t filling_access(const struct fifo_rec *rec)
{
	uint32_t access = le32_get(rec->pipe.flags) & O_ACCMODE;

	return access == O_RDONLY && le32_get(rec->pipe.length) == 0 ? O_RDONLY : O_RDWR;
}

static int fifo_ask(struct plan *plan, const struct image *image, const struct record *record,
		    struct err *err)
{
	const struct fifo_rec *rec = record->body;
	uint32_t flags = le32_get(rec->pipe.flags);
	struct file_trial trial = {
		.path = fifo_path(rec),
		.flags = le32_get(rec->pipe.carrier) ? flags : filling_access(rec),
		.type = S_IFIFO,
	};

	(void)image;
	(void)err;
	file_trial_run(plan, &trial);
	file_trial_ask(plan, record->id, &trial);
	return 0;
}

static bool fifo_grant(const struct image *image, const struct record *record,
		       struct grant_look *ret_look)
{
	const struct fifo_rec *rec = record->body;

	(void)image;
	*ret_look = (struct grant_look){
		.type = S_IFIFO,
		.name = fifo_path(rec),
		.flags = le32_get(rec->pipe.flags),
		.is_unread = le32_get(rec->pipe.length) > 0,
	};
	return true;
}

/* What fills the fifo is open only until the wanted end is. */
static int open_carrier(struct restore *rs, const struct fifo_rec *rec, int *ret_fd,
			struct err *err)
{
	const char *content = fifo_path(rec) + le32_get(rec->path_size);
	auto_close int filling = -1;
	auto_close int place = -1;
	int waiting = 0;
	int r;

	r = restore_open_path(rs, fifo_path(rec), S_IFIFO, &place, err);
	if (r == 0)
		r = restore_reopen(rs, place, filling_access(rec), &filling, err);
	if (r < 0)
		return r;
	if (ioctl(filling, FIONREAD, &waiting) < 0 || waiting > 0)
		return err_set(err, ERR_REFUSED, "it is in use by others, and holds %d bytes",
			       waiting);
	r = pipe_fill(rs, &rec->pipe, content, filling, err);
	if (r < 0)
		return r;
	return restore_reopen(rs, place, le32_get(rec->pipe.flags), ret_fd, err);
}

static int fifo_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct fifo_rec *rec = record->body;
	int fd = -1;
	int r;

	if (le32_get(rec->pipe.carrier) != 0)
		r = file_restore_again(rs, record, le32_get(rec->pipe.carrier),
				       le32_get(rec->pipe.flags), 0, err);
	else
		r = open_carrier(rs, rec, &fd, err);
	if (r < 0)
		return err_wrap(err, "fifo %s", fifo_path(rec));
	return fd < 0 ? 0 : restore_give_fd(rs, record, fd, err);
}

const struct kind kind_fifo = {
	.name = "fifo",
	.summary = "named pipes and what is in them",
	.tag = TAG('F', 'I', 'F', 'O'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.fields = fifo_fields,
	.match = fifo_match,
	.dump = fifo_dump,
	.check = fifo_check,
	.link = fifo_link,
	.ask = fifo_ask,
	.grant = fifo_grant,
	.restore = fifo_restore,
};
