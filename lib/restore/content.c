/* The page stream into memory and unnamed files. From a plain file, tasks read their own pages, two
 * at a time, while others verify the file; from a pipe or a compressed image, we write them. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kind/support/sysv.h"
#include "restore/huge.h"
#include "restore/restore.h"

enum {
	CALL = 2 << 20, /* bytes of one read inside */
	BATCH = 64,	/* reads of one script */
	RUNNERS = 2,
};

struct filling {
	struct restore *rs;
	void (*progress)(void *argument, uint64_t done, uint64_t total);
	bool (*is_cancelled)(void *argument);
	void *argument;
	uint64_t position; /* in the stream */
	bool use_huge;
};

/* Where the bytes of an object go: into a task's memory, or a file. */
struct sink {
	struct restore_task *task; /* memory of this task, at `base` + start */
	uint64_t base;
	int file;      /* else; owned */
	uint64_t size; /* of the file: its last page may be cut */
	int number;    /* of the file, in the first task */
	struct timespec times[2];
};

static int report(const struct filling *filling, struct err *err)
{
	if (filling->progress)
		filling->progress(filling->argument, filling->position,
				  filling->rs->image->pages_size);
	if (filling->is_cancelled && filling->is_cancelled(filling->argument))
		return err_set(err, -ECANCELED, "fill memory");
	return 0;
}

static struct restore_task *task_of_mm(const struct restore *rs, uint32_t mm)
{
	for (size_t i = 0; i < rs->own->task_count; i++) {
		if (rs->own->tasks[i].mm && rs->own->tasks[i].mm->id == mm)
			return &rs->own->tasks[i];
	}
	return NULL;
}

static int take_file(const struct remote *first, int pidfd, int number, struct sink *sink,
		     struct err *err)
{
	struct stat stat;
	int r = remote_take_fd(first, pidfd, number, &sink->file, err);

	if (r < 0)
		return r;
	if (fstat(sink->file, &stat) < 0)
		return err_set(err, -errno, "look at a file");
	sink->size = (uint64_t)stat.st_size;
	sink->number = number;
	sink->times[0] = stat.st_atim;
	sink->times[1] = stat.st_mtim;
	return 0;
}

static const struct record *object_in_memory(const struct image *image, uint32_t id)
{
	const struct record *object = image_find(image, TAG_MAPFILE, id);

	if (!object)
		object = image_find(image, TAG_SYSV_SHM, id);
	return object && mm_object_size(object) > 0 ? object : NULL;
}

static int find_sink(const struct restore *rs, uint32_t id, struct sink *ret_sink, struct err *err)
{
	const struct record *object = object_in_memory(rs->image, id);
	struct restore_task *first = &rs->own->tasks[0];
	auto_close int pidfd = -1;
	int content = restore_object(rs, id)->content;

	*ret_sink = (struct sink){ .task = task_of_mm(rs, id), .file = -1 };
	if (ret_sink->task)
		return 0;
	if (object) {
		ret_sink->task = first;
		ret_sink->base =
		    rs->own->hole.objects + rs->own->anon_offsets[object - rs->image->records];
		return 0;
	}
	if (content < 0)
		return err_set(err, ERR_DAMAGED, "content of object %u, which has none", id);
	pidfd = (int)syscall(SYS_pidfd_open, first->pid, 0);
	if (pidfd < 0)
		return err_set(err, -errno, "open pidfd of the first task");
	return take_file(&first->threads[0].remote, pidfd, content, ret_sink, err);
}

/* Content comes in whole pages, and is no change: the first task, which may be its owner where we
 * are not, gives the file its times back. */
static int end_sink(const struct restore *rs, struct sink *sink, struct err *err)
{
	auto_script struct script script = SCRIPT_NONE;

	if (sink->file < 0)
		return 0;
	if (ftruncate(sink->file, (off_t)sink->size) < 0)
		return err_set(err, -errno, "cut a file to its size");
	script_init(&script, &rs->own->tasks[0].threads[0].remote);
	(void)script_syscall(&script, "set times of a file", 0, SYS_utimensat,
			     (uint64_t)sink->number, 0,
			     script_copy(&script, sink->times, sizeof(sink->times)), 0);
	return script_run(&script, err);
}

static void drop_sink(struct sink *sink)
{
	drop_fd(&sink->file);
}

/* ---- by the tasks themselves ---- */

struct runner {
	struct script script;
	const struct restore_task *task; /* NULL: free */
};

static int wait_oldest(struct runner *runners, struct err *err)
{
	struct script *script = &runners[0].script;
	int r = script_wait(script, err);

	for (size_t i = 0; r == 0 && i < script->count; i++) {
		if (script_result(script, i) != (int64_t)script_argument(script, i, 2))
			r = err_set(err, ERR_DAMAGED, "the image is cut within its pages");
	}
	if (r < 0)
		(void)err_wrap(err, "task %d", runners[0].task->vpid);
	script_free(script);
	memmove(&runners[0], &runners[1], (RUNNERS - 1) * sizeof(runners[0]));
	runners[RUNNERS - 1] = (struct runner){ .task = NULL };
	return r;
}

static bool is_busy(const struct runner *runners, const struct restore_task *task)
{
	for (int i = 0; i < RUNNERS; i++) {
		if (runners[i].task == task)
			return true;
	}
	return runners[RUNNERS - 1].task != NULL;
}

static struct runner *free_runner(struct runner *runners)
{
	int i = 0;

	while (runners[i].task)
		i++;
	return &runners[i];
}

struct place {
	const struct image_extent_rec *extents;
	size_t count, next;
	uint64_t done;
};

static uint64_t piece_start(const struct place *at)
{
	return le64_get(at->extents[at->next].start) + at->done;
}

static uint64_t piece_size(const struct place *at)
{
	return le64_get(at->extents[at->next].length) - at->done;
}

static void advance(struct filling *filling, struct place *at, uint64_t size)
{
	filling->position += size;
	at->done += size;
	if (at->done == le64_get(at->extents[at->next].length)) {
		at->next++;
		at->done = 0;
	}
}

/* Bytes that huge pages could be moved to from here on. */
static uint64_t huge_piece(const struct filling *filling, const struct sink *sink,
			   const struct place *at)
{
	if (!filling->use_huge || sink->base != 0)
		return 0;
	return huge_length(sink->task, piece_start(at), piece_size(at));
}

/* Queues the next reads of one object, up to where huge pages may do. */
static void queue_reads(struct filling *filling, const struct sink *sink, struct place *at,
			struct script *script)
{
	const struct restore *rs = filling->rs;

	for (int i = 0; i < BATCH && at->next < at->count; i++) {
		uint64_t start = piece_start(at);
		uint64_t size = piece_size(at);
		uint64_t distance;

		if (i > 0 && huge_piece(filling, sink, at) > 0)
			break;
		distance = filling->use_huge ? huge_distance(start, size) : 0;
		if (distance > 0)
			size = distance;
		if (size > CALL)
			size = CALL;
		(void)script_syscall(script, "read pages", 0, SYS_pread64,
				     (uint64_t)rs->own->shared->image_fd, sink->base + start, size,
				     rs->image->pages_offset + filling->position);
		advance(filling, at, size);
	}
}

static int read_batch(struct filling *filling, const struct sink *sink, struct place *at,
		      struct runner *runners, struct err *err)
{
	struct runner *runner;
	int r = 0;

	while (r == 0 && is_busy(runners, sink->task))
		r = wait_oldest(runners, err);
	if (r < 0)
		return r;
	runner = free_runner(runners);
	*runner = (struct runner){ .task = sink->task };
	script_init(&runner->script, &sink->task->threads[0].remote);
	queue_reads(filling, sink, at, &runner->script);
	return script_start(&runner->script, err);
}

/* A windowful by huge pages. Sets filling->use_huge to false where they are not to be had. */
static int read_huge(struct filling *filling, const struct sink *sink, struct place *at,
		     uint64_t size, struct huge *huge, struct runner *runners, struct err *err)
{
	const struct restore *rs = filling->rs;
	bool is_done = false;
	int r = 0;

	while (r == 0 && runners[0].task)
		r = wait_oldest(runners, err);
	if (r == 0 && !huge->task)
		r = huge_begin(huge, rs, sink->task, err);
	if (r == 0 && !huge->is_refused)
		r = huge_fill(huge, rs, piece_start(at), size,
			      rs->image->pages_offset + filling->position, &is_done, err);
	if (r < 0)
		return err_wrap(err, "task %d", sink->task->vpid);
	if (is_done)
		advance(filling, at, size);
	filling->use_huge = !huge->is_refused;
	return 0;
}

static int read_inside(struct filling *filling, const struct sink *sink, struct place at,
		       struct runner *runners, struct err *err)
{
	struct huge huge = { .task = NULL };
	int r = 0;

	while (r == 0 && at.next < at.count) {
		uint64_t size = huge_piece(filling, sink, &at);

		r = size > 0 ? read_huge(filling, sink, &at, size, &huge, runners, err)
			     : read_batch(filling, sink, &at, runners, err);
		if (r == 0)
			r = report(filling, err);
	}
	while (r == 0 && huge.task && runners[0].task)
		r = wait_oldest(runners, err);
	return r < 0 ? r : huge_end(&huge, filling->rs, err);
}

static int copy_file(struct filling *filling, int to, struct place at, struct err *err)
{
	const struct image *image = filling->rs->image;

	for (; at.next < at.count; at.next++) {
		off_t from = (off_t)(image->pages_offset + filling->position);
		off_t start = (off_t)le64_get(at.extents[at.next].start);
		uint64_t left = le64_get(at.extents[at.next].length);
		auto_free char *block = mem_alloc(1, IMAGE_BLOCK);

		filling->position += left;
		while (left > 0) {
			size_t size = left < IMAGE_BLOCK ? left : IMAGE_BLOCK;
			ssize_t n = pread(image->fd, block, size, from);

			if (n <= 0)
				return err_set(err, ERR_DAMAGED,
					       "the image is cut within its pages");
			if (pwrite(to, block, (size_t)n, start) != n)
				return err_set(err, -errno, "write a file");
			from += n;
			start += n;
			left -= (uint64_t)n;
		}
	}
	return report(filling, err);
}

static struct place place_of(const struct record *content)
{
	return (struct place){ .extents = content->body,
			       .count = content->length / sizeof(struct image_extent_rec) };
}

static int fill_plain(struct filling *filling, struct err *err)
{
	struct restore *rs = filling->rs;
	struct runner runners[RUNNERS] = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->image->record_count; i++) {
		const struct record *content = &rs->image->records[i];
		auto_with(drop_sink) struct sink sink = { .file = -1 };

		if (content->tag != TAG_CONTENT)
			continue;
		r = find_sink(rs, content->id, &sink, err);
		if (r < 0)
			break;
		if (sink.task) {
			r = read_inside(filling, &sink, place_of(content), runners, err);
			continue;
		}
		r = copy_file(filling, sink.file, place_of(content), err);
		while (r == 0 && runners[0].task)
			r = wait_oldest(runners, err);
		if (r == 0)
			r = end_sink(rs, &sink, err);
	}
	while (runners[0].task) {
		struct err late = ERR_NONE;

		if (wait_oldest(runners, &late) < 0 && r == 0) {
			*err = late;
			r = late.code;
		}
	}
	return r;
}

/* ---- by us ---- */

static int write_sink(const struct sink *sink, uint64_t start, const void *data, size_t size,
		      struct err *err)
{
	ssize_t n;

	if (sink->task)
		return remote_write(&sink->task->threads[0].remote, sink->base + start, data, size,
				    err);
	n = pwrite(sink->file, data, size, (off_t)start);
	/* A short write is how a full disk says so first. */
	if (n != (ssize_t)size)
		return err_set(err, n < 0 ? -errno : -ENOSPC, "write a file");
	return 0;
}

static int stream_object(struct filling *filling, struct image_stream *stream,
			 const struct record *content, struct err *err)
{
	auto_with(drop_sink) struct sink sink = { .file = -1 };
	struct place at = place_of(content);
	int r = find_sink(filling->rs, content->id, &sink, err);

	while (r == 0 && at.next < at.count) {
		uint64_t start = le64_get(at.extents[at.next].start);
		uint64_t left = le64_get(at.extents[at.next].length) - at.done;
		const void *data;
		size_t size;

		r = image_stream_next(stream, left, &data, &size, err);
		if (r == 0 && size == 0)
			return err_set(err, ERR_DAMAGED, "the image is cut within its pages");
		if (r == 0)
			r = write_sink(&sink, start + at.done, data, size, err);
		if (r < 0)
			return r;
		filling->position += size;
		at.done += size;
		if (at.done == le64_get(at.extents[at.next].length)) {
			at.next++;
			at.done = 0;
		}
		r = report(filling, err);
	}
	return r < 0 ? r : end_sink(filling->rs, &sink, err);
}

static int fill_stream(struct filling *filling, struct err *err)
{
	const struct image *image = filling->rs->image;
	struct image_stream *stream;
	int r = image_stream_open(image, &stream, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < image->record_count; i++) {
		if (image->records[i].tag == TAG_CONTENT)
			r = stream_object(filling, stream, &image->records[i], err);
	}
	if (r == 0)
		r = image_stream_finish(stream, err);
	image_stream_free(stream);
	return r;
}

int restore_fill_content(struct restore *rs, void (*progress)(void *, uint64_t, uint64_t),
			 bool (*is_cancelled)(void *), void *argument, struct err *err)
{
	struct filling filling = {
		.rs = rs,
		.progress = progress,
		.is_cancelled = is_cancelled,
		.argument = argument,
		.use_huge = huge_is_useful(),
	};
	struct image_verification *verification = NULL;
	struct err damage = ERR_NONE;
	int r;

	if (rs->own->shared->image_fd < 0)
		return fill_stream(&filling, err);
	r = image_verify_start(rs->image, &verification, err);
	if (r < 0)
		return r;
	r = fill_plain(&filling, err);
	if (r == -ECANCELED) {
		image_verify_free(verification);
		return r;
	}
	/* What is damaged may be why it failed. */
	if (image_verify_end(verification, &damage) < 0) {
		*err = damage;
		return err->code;
	}
	return r;
}
