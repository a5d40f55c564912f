/* The page stream of a checkpoint. Large address spaces write themselves: the stub calls pwrite on
 * the image inside the target, several tasks at a time; the rest is read from outside. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "dump/dump.h"

enum {
	BOUNCE = 1 << 20,     /* bytes read from outside at a time */
	CALL = 1 << 20,	      /* bytes of one call inside */
	BATCH = 64,	      /* calls of one script */
	WORTHWHILE = 4 << 20, /* below, handing over the descriptor costs more than it saves */
	RUNNERS = 2,	      /* tasks that write at the same time */
};

/* A script under way inside a task, which writes the stream from `start` on. */
struct runner {
	struct script script;
	struct dump_task *task; /* NULL: free */
	uint64_t start;
};

struct streaming {
	struct dump *d;
	const struct dump_stream *stream;
	uint64_t position; /* in the stream: everything before is written or under way */
	uint64_t total;
	struct runner runners[RUNNERS]; /* the oldest first */
	char *bounce;			/* owned */
	size_t fill;			/* bytes in it */
};

static uint64_t total_size(const struct dump *d)
{
	uint64_t total = 0;

	for (size_t i = 0; i < d->own->source_count; i++)
		total += d->own->sources[i].size;
	return total;
}

static int check_cancelled(const struct streaming *s, struct err *err)
{
	const struct dump_stream *stream = s->stream;

	if (stream->is_cancelled && stream->is_cancelled(stream->argument))
		return err_set(err, -ECANCELED, "write pages");
	return 0;
}

/* Tells how far the stream is whole, counted from its start. */
static int report(const struct streaming *s, struct err *err)
{
	uint64_t whole = s->runners[0].task ? s->runners[0].start : s->position - s->fill;

	if (s->stream->progress)
		s->stream->progress(s->stream->argument, whole, s->total);
	if (s->stream->is_placed)
		return image_writer_placed(s->stream->writer, whole, err);
	return 0;
}

/* ---- from inside ---- */

static int check_results(struct runner *runner, struct err *err)
{
	for (size_t i = 0; i < runner->script.count; i++) {
		int64_t result = script_result(&runner->script, i);

		/* A short write is how a full disk says so first. */
		if (result != (int64_t)script_argument(&runner->script, i, 2))
			return err_set(err, -ENOSPC, "write the image");
	}
	return 0;
}

static int wait_oldest(struct streaming *s, struct err *err)
{
	struct runner *oldest = &s->runners[0];
	int r = script_wait(&oldest->script, err);

	if (r < 0)
		(void)err_wrap(err, "task %d (%s): write the image", oldest->task->vpid,
			       oldest->task->stat.comm);
	else
		r = check_results(oldest, err);
	script_free(&oldest->script);
	memmove(&s->runners[0], &s->runners[1], (RUNNERS - 1) * sizeof(s->runners[0]));
	s->runners[RUNNERS - 1] = (struct runner){ .task = NULL };
	if (r < 0)
		return r;
	r = check_cancelled(s, err);
	return r < 0 ? r : report(s, err);
}

static int wait_all(struct streaming *s, struct err *err)
{
	int r = 0;

	while (r == 0 && s->runners[0].task)
		r = wait_oldest(s, err);
	return r;
}

static bool is_running(const struct streaming *s, const struct dump_task *task)
{
	for (size_t i = 0; i < RUNNERS; i++) {
		if (s->runners[i].task == task)
			return true;
	}
	return false;
}

static int free_runner(struct streaming *s, const struct dump_task *task,
		       struct runner **ret_runner, struct err *err)
{
	while (is_running(s, task) || s->runners[RUNNERS - 1].task) {
		int r = wait_oldest(s, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < RUNNERS; i++) {
		if (!s->runners[i].task) {
			*ret_runner = &s->runners[i];
			return 0;
		}
	}
	return -EBUSY;
}

/* A limit on the size of files would end the target's write, and a task that belongs to someone
 * else must not get hold of our file. */
static bool may_write_itself(const struct dump_task *task)
{
	struct rlimit limit;
	const uint32_t *uid = task->threads[0].status.uid;

	if (prlimit(task->pid, RLIMIT_FSIZE, NULL, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY)
		return false;
	return uid[0] == geteuid() && uid[1] == geteuid() && uid[2] == geteuid() &&
	       task->threads[0].status.seccomp == 0;
}

struct cursor {
	const struct dump_source *source;
	size_t piece;
	uint64_t done; /* bytes of the piece */
};

static int start_batch(struct streaming *s, struct cursor *at, int number, struct err *err)
{
	struct dump_task *task = at->source->pieces[at->piece].task;
	struct runner *runner;
	int r = free_runner(s, task, &runner, err);

	if (r < 0)
		return r;
	*runner = (struct runner){ .task = task, .start = s->position };
	script_init(&runner->script, &task->threads[0].remote);
	for (int i = 0; i < BATCH && at->piece < at->source->piece_count; i++) {
		const struct dump_piece *piece = &at->source->pieces[at->piece];
		uint64_t size = piece->extent.length - at->done;

		if (size > CALL)
			size = CALL;
		(void)script_syscall(&runner->script, "pwrite", 0, SYS_pwrite64, (uint64_t)number,
				     piece->address + at->done, size,
				     s->stream->pages_offset + s->position);
		s->position += size;
		at->done += size;
		if (at->done == piece->extent.length) {
			at->piece++;
			at->done = 0;
		}
	}
	return script_start(&runner->script, err);
}

static int close_inside(struct dump_task *task, int number, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;

	script_init(&script, &task->threads[0].remote);
	(void)script_syscall(&script, "close the image", 0, SYS_close, (uint64_t)number);
	return script_run(&script, err);
}

static int first_error(int first, int second)
{
	return first < 0 ? first : second;
}

/* ---- from outside ---- */

static int write_all(int fd, const char *data, size_t size, uint64_t offset, struct err *err)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)offset);

		if (n < 0)
			return err_set(err, -errno, "write the image");
		data += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Writes what the bounce buffer holds: the bytes in front of s->position. */
static int flush(struct streaming *s, struct err *err)
{
	int r;

	if (s->fill == 0)
		return 0;
	if (s->stream->is_placed)
		r = write_all(s->stream->fd, s->bounce, s->fill,
			      s->stream->pages_offset + s->position - s->fill, err);
	else
		r = image_writer_pages(s->stream->writer, s->bounce, s->fill, err);
	s->fill = 0;
	if (r == 0)
		r = check_cancelled(s, err);
	return r < 0 ? r : report(s, err);
}

static int read_forced(const struct dump_task *task, void *data, size_t size, uint64_t address,
		       struct err *err)
{
	auto_close int mem = openat(task->proc, "mem", O_RDONLY | O_CLOEXEC);
	ssize_t n = mem < 0 ? -1 : pread(mem, data, size, (off_t)address);

	/* A file may have been cut off meanwhile: then there is less, and no errno. */
	if (n != (ssize_t)size)
		return err_set(err, n < 0 ? -errno : -EFAULT,
			       "task %d (%s): read memory at %" PRIx64, task->vpid, task->stat.comm,
			       address);
	return 0;
}

static int read_file(int fd, char *data, size_t size, uint64_t offset, struct err *err)
{
	while (size > 0) {
		ssize_t n = pread(fd, data, size, (off_t)offset);

		if (n < 0)
			return err_set(err, -errno, "read an unnamed file");
		if (n == 0) { /* the end, inside of the last page */
			memset(data, 0, size);
			return 0;
		}
		data += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int read_piece(const struct dump_source *source, const struct dump_piece *piece,
		      uint64_t done, char *data, size_t size, struct err *err)
{
	struct iovec local = { data, size };
	struct iovec there = { (void *)(uintptr_t)(piece->address + done), size };

	if (!piece->task && source->file < 0) {
		memcpy(data, (const void *)(uintptr_t)(piece->address + done), size);
		return 0;
	}
	if (!piece->task)
		return read_file(source->file, data, size, piece->extent.start + done, err);
	if (!piece->is_unreadable &&
	    process_vm_readv(piece->task->pid, &local, 1, &there, 1, 0) == (ssize_t)size)
		return 0;
	return read_forced(piece->task, data, size, piece->address + done, err);
}

/* Readable pieces of one task that fit into the rest of the buffer, by one call. The number of
 * pieces read whole; 0: none. */
static size_t read_pieces(struct streaming *s, const struct dump_source *source, size_t first)
{
	struct iovec there[64];
	struct iovec local = { s->bounce + s->fill, 0 };
	size_t count = 0;

	while (first + count < source->piece_count && count < 64) {
		const struct dump_piece *piece = &source->pieces[first + count];

		if (!piece->task || piece->task != source->pieces[first].task ||
		    piece->is_unreadable || s->fill + local.iov_len + piece->extent.length > BOUNCE)
			break;
		there[count++] =
		    (struct iovec){ (void *)(uintptr_t)piece->address, piece->extent.length };
		local.iov_len += piece->extent.length;
	}
	if (count == 0 || process_vm_readv(source->pieces[first].task->pid, &local, 1, there, count,
					   0) != (ssize_t)local.iov_len)
		return 0;
	s->fill += local.iov_len;
	s->position += local.iov_len;
	return count;
}

static int write_piece(struct streaming *s, const struct dump_source *source,
		       const struct dump_piece *piece, struct err *err)
{
	uint64_t done = 0;

	while (done < piece->extent.length) {
		uint64_t size = piece->extent.length - done;
		int r;

		if (size > BOUNCE - s->fill)
			size = BOUNCE - s->fill;
		r = read_piece(source, piece, done, s->bounce + s->fill, size, err);
		if (r < 0)
			return r;
		s->fill += size;
		s->position += size;
		done += size;
		r = s->fill == BOUNCE ? flush(s, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_outside(struct streaming *s, const struct dump_source *source, struct err *err)
{
	size_t i = 0;

	while (i < source->piece_count) {
		size_t done = read_pieces(s, source, i);
		int r = 0;

		if (done == 0) {
			r = write_piece(s, source, &source->pieces[i], err);
			done = 1;
		}
		if (r < 0)
			return r;
		i += done;
	}
	return 0;
}

static int write_inside(struct streaming *s, const struct dump_source *source, struct err *err)
{
	struct dump_task *task = source->pieces[0].task;
	struct cursor at = { .source = source };
	struct err late = ERR_NONE;
	int number;
	int r = flush(s, err);

	if (r == 0)
		r = remote_push_fd(&task->threads[0].remote, task->pidfd, s->stream->fd, &number,
				   err);
	if (r == -EMFILE)
		return write_outside(s, source, err);
	if (r < 0)
		return err_wrap(err, "task %d", task->vpid);
	while (r == 0 && at.piece < source->piece_count)
		r = start_batch(s, &at, number, err);
	/* Also after an error: the source goes on, and must not keep the image. */
	while (is_running(s, task))
		r = first_error(r, wait_oldest(s, r < 0 ? &late : err));
	return first_error(r, close_inside(task, number, r < 0 ? &late : err));
}

static bool is_worthwhile(const struct streaming *s, const struct dump_source *source)
{
	if (!s->stream->is_placed || source->size < WORTHWHILE)
		return false;
	for (size_t i = 0; i < source->piece_count; i++) {
		if (!source->pieces[i].task || source->pieces[i].is_unreadable ||
		    source->pieces[i].task != source->pieces[0].task)
			return false;
	}
	return may_write_itself(source->pieces[0].task);
}

int dump_write_pages(struct dump *d, const struct dump_stream *stream, struct err *err)
{
	struct streaming s = { .d = d, .stream = stream, .total = total_size(d) };
	int r = 0;

	s.bounce = mem_alloc(1, BOUNCE);
	for (size_t i = 0; r == 0 && i < d->own->source_count; i++) {
		const struct dump_source *source = &d->own->sources[i];

		if (is_worthwhile(&s, source))
			r = write_inside(&s, source, err);
		else
			r = write_outside(&s, source, err);
	}
	if (r == 0)
		r = flush(&s, err);
	if (r == 0)
		r = wait_all(&s, err);
	if (r == 0)
		r = report(&s, err);
	/* After an error, scripts under way must end before registers go back. */
	while (s.runners[0].task) {
		struct err ignored;

		(void)wait_oldest(&s, &ignored);
	}
	free(s.bounce);
	return r;
}
