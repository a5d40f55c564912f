/* A checkpoint from name to image. A worker does it, so that the container gets everything back
 * whatever happens to the command. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/worker.h"
#include "ctckpt/ctckpt.h"
#include "dump/checkpoint.h"
#include "dump/dump.h"
#include "dump/held.h"
#include "dump/output.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "kind/support/tcp_queues.h"

static void free_dump(struct dump *d)
{
	dump_free(d);
}

static void add_extents(struct image_writer *writer, const struct dump_source *source)
{
	auto_buf struct buf body = BUF_EMPTY;
	struct image_extent last = { 0 };

	for (size_t i = 0; i < source->piece_count; i++) {
		const struct image_extent *extent = &source->pieces[i].extent;
		struct image_extent_rec *rec = (void *)body.data;

		/* Neighbours in the object are neighbours in the stream. */
		if (i > 0 && last.start + last.length == extent->start) {
			last.length += extent->length;
			rec[body.size / sizeof(*rec) - 1].length = le64_make(last.length);
			continue;
		}
		last = *extent;
		(void)buf_append(
		    &body,
		    &(struct image_extent_rec){ le64_make(last.start), le64_make(last.length) },
		    sizeof(*rec));
	}
	if (body.size > 0)
		image_writer_add(writer, TAG_CONTENT, 1, RECORD_REQUIRED, source->id, body.data,
				 body.size);
}

static void add_records(struct image_writer *writer, const struct dump *d)
{
	const struct dump_entry *entries = (const void *)d->own->records.data;

	for (size_t i = 0; i < d->own->record_count; i++)
		image_writer_add(writer, entries[i].tag, entries[i].version, RECORD_REQUIRED,
				 entries[i].id, entries[i].body, entries[i].length);
	for (size_t i = 0; i < d->own->source_count; i++)
		add_extents(writer, &d->own->sources[i]);
}

/* Standard output may be a file that cannot be read back, or where every write goes to the end. */
static bool may_place(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND);
}

static int write_image(struct dump *d, const struct checkpoint_work *work, int fd,
		       struct ctckpt_stats *stats, struct err *err)
{
	struct image_writer *writer =
	    image_writer_new(fd, work->compression, work->compression_level);
	struct dump_stream stream = { .writer = writer,
				      .fd = fd,
				      .is_cancelled = work->is_cancelled,
				      .progress = work->progress,
				      .argument = work->argument };
	uint64_t start = clock_us();
	int r;

	add_records(writer, d);
	r = image_writer_begin(writer, &stream.pages_offset, err);
	stream.is_placed = r == 0 && stream.pages_offset > 0 && may_place(fd);
	if (r == 0)
		r = dump_write_pages(d, &stream, err);
	if (r == 0)
		r = image_writer_end(writer, &stats->image_size, err);
	image_writer_free(writer);
	stats->memwrite_time = clock_us() - start;
	for (size_t i = 0; i < d->own->source_count; i++)
		stats->pages_written += d->own->sources[i].size / IMAGE_PAGE;
	return r;
}

static void count_tasks(const struct dump *d, struct ctckpt_stats *stats)
{
	stats->tasks = (uint32_t)d->own->task_count;
	for (size_t i = 0; i < d->own->task_count; i++)
		stats->threads += (uint32_t)d->own->tasks[i].thread_count;
	stats->pages_scanned = d->own->pages_scanned;
}

int checkpoint_frozen(const struct target *target, struct freeze *frozen,
		      const struct checkpoint_work *work, int fd, struct ctckpt_stats *stats,
		      struct err *err)
{
	auto_free char *profile = dump_find_profile(target);
	struct target known = *target; /* all in it is borrowed */
	auto_with(free_dump) struct dump d = { .own = NULL };
	struct err release = ERR_NONE;
	uint64_t start = clock_us();
	int r;

	if (profile)
		known.seccomp = profile;
	r = dump_join_owner(target, err);
	if (r < 0)
		return r;
	r = dump_gather(&d, &known, frozen, &work->outside, err);
	stats->memdump_time = clock_us() - start;
	count_tasks(&d, stats);
	if (r == 0 && work->gathered)
		work->gathered(work->argument);
	if (r == 0)
		r = write_image(&d, work, fd, stats, err);
	if (r == 0 && work->hold && d.own->tcp)
		*work->hold = take_ptr(d.own->tcp->hold);
	if (dump_release(&d, &release) < 0 && r == 0) {
		*err = release;
		r = release.code;
	}
	return r;
}

/* ---- the job ---- */

struct job {
	const struct ctckpt_checkpoint_options *options;
	struct worker *worker;
	uint64_t last_told;
	int output; /* borrowed */
};

/* For one thing of the container's; the longest that we ourselves wait for is a minute. */
enum { PATIENCE_MS = 90000 };

static bool job_is_cancelled(void *argument)
{
	const struct job *job = argument;

	return worker_is_cancelled(job->worker);
}

static void job_progress(void *argument, uint64_t done, uint64_t total)
{
	struct job *job = argument;
	struct ctckpt_progress progress = { .done = done, .total = total };

	if (job->options->progress && progress_is_due(&job->last_told, done, total))
		worker_tell(job->worker, &progress, sizeof(progress));
}

/* Who reads from a pipe may take his time. */
static void job_gathered(void *argument)
{
	const struct job *job = argument;
	struct stat stat;

	if (fstat(job->output, &stat) < 0 || !S_ISREG(stat.st_mode))
		worker_watch(job->worker, false);
}

static void job_told(void *argument, const void *message, size_t size)
{
	const struct job *job = argument;

	if (size == sizeof(struct ctckpt_progress))
		job->options->progress(job->options->progress_argument, message);
}

static void job_after(void *argument)
{
	const struct job *job = argument;
	auto_target struct target target = TARGET_NONE;
	struct err ignored;

	/* The worker was killed: it may have left the cgroup frozen. */
	if (target_find(job->options->name, &target, &ignored) == 0 && target.cgroup >= 0)
		(void)freezer_thaw(&target, &ignored);
}

static int let_go(struct freeze *frozen, enum ctckpt_after after, struct err *err)
{
	switch (after) {
	case CTCKPT_STOP:
		return freeze_kill(frozen, err);
	case CTCKPT_LEAVE_STOPPED:
		frozen->was_frozen = true;
		return freeze_release(frozen, false, err);
	case CTCKPT_LEAVE_RUNNING:
		return freeze_release(frozen, !frozen->was_frozen, err);
	}
	return 0;
}

/* Drops the entries and cgroups of containers that are gone. */
static void prune(void)
{
	struct registry_entry *entries;
	struct err ignored;
	size_t count;

	if (registry_list(&entries, &count, &ignored) == 0)
		registry_list_free(entries, count);
}

/* Seizes, saves, and lets go. */
static int checkpoint_here(struct job *job, const struct target *target, struct output *output,
			   struct ctckpt_stats *stats, struct err *err)
{
	const struct ctckpt_checkpoint_options *options = job->options;
	struct tcp_hold *hold = NULL;
	struct checkpoint_work work = { .compression = options->compression,
					.compression_level = options->compression_level,
					.outside = checkpoint_outside(options),
					.hold = options->after == CTCKPT_STOP ? &hold : NULL,
					.is_cancelled = job_is_cancelled,
					.progress = job_progress,
					.gathered = job_gathered,
					.argument = job };
	auto_freeze struct freeze frozen = FREEZE_NONE;
	uint64_t start = clock_us();
	int r = freeze_seize(target, &frozen, err);

	if (r < 0)
		return r;
	stats->freezing_time = frozen.freezing_time;
	job->output = output->fd;
	worker_watch(job->worker, true);
	r = checkpoint_frozen(target, &frozen, &work, output->fd, stats, err);
	if (r == 0 && hold)
		r = tcp_hold_silence(hold, err);
	if (r == 0)
		r = output_commit(output, err);
	if (r == 0)
		r = let_go(&frozen, options->after, err);
	tcp_hold_free(hold, r == 0);
	stats->frozen_time = clock_us() - start;
	return r;
}

/* A task has one tracer: where a holder keeps the container, it does the work. */
static int checkpoint_there(struct job *job, const struct target *target, struct output *output,
			    struct ctckpt_stats *stats, struct err *err)
{
	const struct ctckpt_checkpoint_options *options = job->options;
	uint64_t start = clock_us();
	int r;

	/* Between the two requests, nobody would hold them. */
	if (options->tcp_established && options->after == CTCKPT_STOP) {
		(void)err_set(err, ERR_REFUSED,
			      "of a frozen container that is to end, connections that lead outside "
			      "can't be kept");
		return err_hint(err, "thaw it first");
	}
	r = held_dump(target, options, output->fd, stats, err);

	if (r == 0)
		r = output_commit(output, err);
	if (r == 0 && options->after == CTCKPT_STOP)
		r = held_kill(target, err);
	stats->frozen_time = clock_us() - start;
	return r;
}

static int job_work(struct worker *worker, void *argument, void *result, struct err *err)
{
	struct job *job = argument;
	const struct ctckpt_checkpoint_options *options = job->options;
	auto_target struct target target = TARGET_NONE;
	auto_output struct output output = OUTPUT_NONE;
	bool is_held = false;
	int r;

	job->worker = worker;
	r = target_find(options->name, &target, err);
	if (r == 0)
		r = output_open(options->image, options->fd, options->force, &output, err);
	if (r == 0 && target.cgroup < 0)
		r = held_find(&target, options->after == CTCKPT_LEAVE_STOPPED, &is_held, err);
	if (r < 0)
		return r;
	return is_held ? checkpoint_there(job, &target, &output, result, err)
		       : checkpoint_here(job, &target, &output, result, err);
}

/* What is in the way for a moment only goes when the tasks get on. They have more and more time for
 * that, a second in all. */
static int run_patiently(const struct worker_job *worker, struct ctckpt_stats *stats,
			 struct err *err)
{
	static const unsigned int attempts = 10;

	for (unsigned int i = 0; i < attempts; i++) {
		struct timespec pause = timespec_us(1000u << i);
		int r;

		*stats = (struct ctckpt_stats){ 0 };
		*err = ERR_NONE;
		r = worker_run(worker, err);
		if (r != ERR_MOMENT)
			return r;
		(void)nanosleep(&pause, NULL);
	}
	err->code = ERR_REFUSED;
	return err->code;
}

int ctckpt_checkpoint(const struct ctckpt_checkpoint_options *options,
		      struct ctckpt_stats *ret_stats, struct err *err)
{
	struct job job = { .options = options };
	struct worker_job worker = { .work = job_work,
				     .after = job_after,
				     .told = job_told,
				     .argument = &job,
				     .result = ret_stats,
				     .result_size = sizeof(*ret_stats),
				     .patience_ms = PATIENCE_MS };
	int r;

	r = run_patiently(&worker, ret_stats, err);
	if (r == 0 && options->after == CTCKPT_STOP)
		prune();
	return r;
}
