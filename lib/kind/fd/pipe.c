/* Pipes: capacity, content and ends. The first description of a pipe carries it. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/kind.h"
#include "kind/support/files.h"
#include "kind/support/pipe_ends.h"
#include "restore/open.h"

extern const struct kind kind_pipe;

/* The record is a struct pipe_rec and the content. */

static bool pipe_match(const struct target_fd *fd)
{
	return S_ISFIFO(fd->stat.st_mode) && !(fd->flags & O_PATH) &&
	       strncmp(fd->link, "pipe:[", 6) == 0;
}

static int pipe_dump(struct dump *d, struct err *err)
{
	auto_buf struct buf content = BUF_EMPTY;
	auto_buf struct buf body = BUF_EMPTY;
	struct pipe_rec rec;

	(void)err;
	if (pipe_leads_outside(d)) {
		if (stdio_takes(d) || external_takes(d))
			return 0;
		return dump_block(d, NULL, "the other end of a pipe is outside of the container");
	}
	if (file_block_extras(d) || !pipe_save(d, &rec, &content))
		return 0;
	(void)buf_append(&body, &rec, sizeof(rec));
	(void)buf_append(&body, content.data, content.size);
	dump_record(d, d->fd->id, &kind_pipe, body.data, body.size);
	return 0;
}

static int pipe_check_body(const void *body, size_t length, struct err *err)
{
	struct reader reader = reader_of(body, length);
	const struct pipe_rec *rec = reader_take(&reader, sizeof(*rec));

	if (!rec)
		return err_set(err, ERR_DAMAGED, "pipe: %zu bytes", length);
	return pipe_check(rec, reader_left(&reader), err);
}

static int pipe_link(const struct image *image, const struct record *record, struct err *err)
{
	const struct pipe_rec *rec = record->body;
	const struct record *carrier;

	if (le32_get(rec->carrier) == 0)
		return 0;
	carrier = file_carrier(image, record, le32_get(rec->carrier), err);
	if (!carrier)
		return err->code;
	if (le32_get(((const struct pipe_rec *)carrier->body)->carrier) != 0)
		return err_set(err, ERR_DAMAGED, "pipe: object %u carries no pipe", carrier->id);
	return 0;
}

/* Both ends stay open until the wanted one is: without readers it could not be filled. */
static int make_pipe(struct restore *rs, const struct pipe_rec *rec, int *ret_fd, struct err *err)
{
	auto_close int from = -1;
	auto_close int to = -1;
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, -errno, "create a pipe");
	from = ends[0];
	to = ends[1];
	r = pipe_fill(rs, rec, rec + 1, to, err);
	if (r < 0)
		return r;
	return restore_reopen(rs, from, le32_get(rec->flags), ret_fd, err);
}

static int pipe_restore(struct restore *rs, const struct record *record, struct err *err)
{
	const struct pipe_rec *rec = record->body;
	int fd = -1;
	int r;

	if (le32_get(rec->carrier) != 0)
		return file_restore_again(rs, record, le32_get(rec->carrier), le32_get(rec->flags),
					  0, err);
	r = make_pipe(rs, rec, &fd, err);
	if (r < 0)
		return err_wrap(err, "pipe");
	return restore_give_fd(rs, record, fd, err);
}

const struct kind kind_pipe = {
	.name = "pipe",
	.summary = "pipes and what is in them",
	.tag = TAG('P', 'I', 'P', 'E'),
	.scope = SCOPE_FD,
	.phase = PHASE_FILES,
	.match = pipe_match,
	.dump = pipe_dump,
	.check = pipe_check_body,
	.link = pipe_link,
	.restore = pipe_restore,
};
