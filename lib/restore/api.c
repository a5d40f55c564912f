/* ctckpt_restore(): from an image to a running container. A worker does it, and traces all tasks
 * until they run: whatever happens before, nothing is left. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "container/command.h"
#include "container/container.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/worker.h"
#include "ctckpt/ctckpt.h"
#include "dump/held.h"
#include "freeze/freeze.h"
#include "freeze/holder.h"
#include "restore/foreground.h"
#include "restore/input.h"
#include "restore/restore.h"
#include "target/target.h"

struct job {
	const struct ctckpt_restore_options *options;
	struct foreground foreground; /* in the command */
	struct worker *worker;
	int signals; /* signalfd; -1: none are for us */
	uint64_t last_told;
};

/* What exists while a restore is under way; taken down by work_free() unless it `is_running`. */
struct work {
	struct job *job;
	struct input input;
	struct restore rs;
	struct container container;
	struct forward forward;
	struct cgroup_own cgroup;
	struct target target; /* once it is registered */
	char *name;	      /* owned */
	bool has_cgroup;
	bool is_registered;
	bool is_running;
};

static uint64_t now_us(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static void work_free(struct work *work)
{
	struct err ignored;

	if (!work->is_running) {
		container_kill(&work->container);
		if (work->is_registered)
			(void)registry_remove(work->name, &ignored);
		if (work->has_cgroup)
			(void)cgroup_own_remove(&work->cgroup, &ignored);
	}
	forward_free(&work->forward);
	target_free(&work->target);
	container_free(&work->container);
	cgroup_own_free(&work->cgroup);
	restore_free(&work->rs);
	input_free(&work->input);
	free(work->name);
}

/* ---- the name ---- */

static bool is_taken(const char *name)
{
	struct registry_entry *entries;
	struct err ignored;
	size_t count;
	bool found = false;

	if (registry_list(&entries, &count, &ignored) < 0)
		return true;
	for (size_t i = 0; i < count; i++)
		found |= strcmp(entries[i].name, name) == 0;
	registry_list_free(entries, count);
	return found;
}

static int choose_name(struct work *work, struct err *err)
{
	const struct record *record = image_next(work->input.image, TAG_CONTAINER, NULL);
	const struct container_rec *rec = record ? record->body : NULL;
	const char *asked = work->job->options->name;

	if (asked) {
		if (!registry_name_is_valid(asked))
			return err_set(err, ERR_USAGE, "'%s' cannot be the name of a container",
				       asked);
		work->name = mem_string(asked);
		return 0;
	}
	if (rec && le32_get(rec->name_length) > 0) {
		work->name = mem_copy(rec + 1, le32_get(rec->name_length));
		if (!is_taken(work->name))
			return 0;
		free(take_ptr(work->name));
	}
	return registry_new_name(&work->name, err);
}

/* ---- the container ---- */

static int make_cgroup(struct work *work, struct err *err)
{
	struct cgroup_own *own = &work->cgroup;
	int r = cgroup_own_create(work->name, own, err);

	if (r < 0)
		return r;
	work->has_cgroup = true;
	if (own->v1 < 0 || own->v2 < 0)
		return 0;
	/* One is enough to freeze, and the registry remembers one. */
	if (rmdir(own->v1_path) < 0)
		return err_set(err, -errno, "remove cgroup %s", own->v1_path);
	drop_fd(&own->v1);
	free(take_ptr(own->v1_path));
	return 0;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void set_clocks(const struct image *image, struct container_spec *spec)
{
	const struct record *record = image_next(image, TAG_TIME, NULL);
	const struct time_rec *rec = record ? record->body : NULL;

	if (!rec)
		return;
	spec->has_time_offsets = true;
	spec->monotonic_offset_ns =
	    (int64_t)le64_get(rec->monotonic_ns) - clock_ns(CLOCK_MONOTONIC);
	spec->boottime_offset_ns = (int64_t)le64_get(rec->boottime_ns) - clock_ns(CLOCK_BOOTTIME);
}

static int start_container(struct work *work, struct err *err)
{
	struct container_spec spec = {
		.rootfs = work->job->options->rootfs,
		.cgroup = work->cgroup.v2,
		.cgroup_v1 = work->cgroup.v1,
		.main = restore_stage_main,
		.argument = &work->rs,
	};

	spec.uid_map = plan_uid_map(work->input.plan, &spec.uid_map_count);
	spec.gid_map = plan_gid_map(work->input.plan, &spec.gid_map_count);
	set_clocks(work->input.image, &spec);
	return container_start(&spec, &work->container, err);
}

/* From the stop within execve to one in front of the program's first instruction. */
static int leave_exec(pid_t init, struct err *err)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, init, 0, 0) < 0 || ptrace(PTRACE_CONT, init, 0, 0) < 0 ||
	    waitpid(init, &status, __WALL) < 0)
		return err_set(err, -errno, "stop the container's first task");
	if (!WIFSTOPPED(status) || status >> 16 != PTRACE_EVENT_STOP)
		return err_set(err, ERR_FAILED, "the container's first task did not stop");
	return 0;
}

/* Lets the first task do its part; it stops when it has executed the tiny program. */
static int run_stage(struct work *work, struct err *err)
{
	static const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
				    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	pid_t init = work->container.init;
	int status;
	int r;

	if (ptrace(PTRACE_SEIZE, init, 0, options) < 0) {
		(void)err_set(err, -errno, "trace the container's first task");
		return err_hint(err, "is ptrace restricted? see ctckpt check");
	}
	r = container_go(&work->container, err);
	while (r == 0) {
		if (waitpid(init, &status, __WALL) < 0)
			return err_set(err, -errno, "wait for the container's first task");
		if (!WIFSTOPPED(status)) {
			r = container_wait_exec(&work->container, err);
			return r < 0 ? r : err_set(err, ERR_FAILED, "the first task died");
		}
		if (status >> 16 == PTRACE_EVENT_EXEC)
			return leave_exec(init, err);
		if (ptrace(PTRACE_CONT, init, 0, status >> 16 ? 0 : WSTOPSIG(status)) < 0)
			return err_set(err, -errno, "restart the container's first task");
	}
	return r;
}

/* ---- the tasks ---- */

static bool is_cancelled(void *argument)
{
	const struct job *job = argument;
	struct pollfd signals = { .fd = job->signals, .events = POLLIN };

	return worker_is_cancelled(job->worker) || poll(&signals, 1, 0) > 0;
}

/* Messages to the command: 'P' and a struct ctckpt_progress, 'N' and a line of text, 'W' and the
 * worker's pid, once it takes signals. */
static void tell(const struct job *job, char type, const void *body, size_t size)
{
	auto_buf struct buf message = BUF_EMPTY;

	(void)buf_append(&message, &type, 1);
	(void)buf_append(&message, body, size);
	worker_tell(job->worker, message.data, message.size);
}

static void tell_notes(const struct job *job, const char *notes)
{
	while (*notes) {
		size_t length = strcspn(notes, "\n");

		if (length > 0)
			tell(job, 'N', notes, length);
		notes += length + (notes[length] == '\n');
	}
}

static void tell_progress(void *argument, uint64_t done, uint64_t total)
{
	struct job *job = argument;
	struct ctckpt_progress progress = { .done = done, .total = total };
	uint64_t now = now_us();

	if (!job->options->progress || (now - job->last_told < 50000 && done < total))
		return;
	job->last_told = now;
	tell(job, 'P', &progress, sizeof(progress));
}

static int check_cancelled(const struct work *work, struct err *err)
{
	if (is_cancelled(work->job))
		return err_set(err, -ECANCELED, "restore");
	return 0;
}

static int make_tasks(struct work *work, struct ctckpt_stats *stats, struct err *err)
{
	struct restore *rs = &work->rs;
	uint64_t start = now_us();
	int r = restore_make_template(rs, work->container.init, err);

	if (r == 0)
		r = restore_make_tree(rs, err);
	stats->forking_time = now_us() - start;
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = restore_map_memory(rs, err);
	if (r == 0)
		r = restore_fill_content(rs, tell_progress, is_cancelled, work->job, err);
	if (r == 0)
		r = restore_protect_memory(rs, err);
	if (r == 0)
		r = restore_make_threads(rs, err);
	if (r == 0)
		r = restore_make_zombies(rs, err);
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = restore_finish_tasks(rs, err);
	if (r == 0)
		r = restore_load_registers(rs, err);
	if (r == 0)
		r = restore_post_check(rs, err);
	return r;
}

/* ---- the registry ---- */

static int read_start_time(pid_t pid, uint64_t *ret_time, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	int r = procfs_open_pid(pid, &proc, err);

	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data, &stat, err);
	if (r == 0)
		*ret_time = stat.start_time;
	return r;
}

static int register_container(struct work *work, struct err *err)
{
	const struct ctckpt_restore_options *options = work->job->options;
	auto_free char *rootfs = options->rootfs ? realpath(options->rootfs, NULL) : NULL;
	auto_free char *image = realpath(options->image, NULL);
	struct registry_entry entry = {
		.name = work->name,
		.init = work->container.init,
		.cgroup_path = work->cgroup.v2_path ? work->cgroup.v2_path : work->cgroup.v1_path,
		.rootfs = rootfs,
		.image = image ? image : (char *)options->image,
	};
	int r = read_start_time(entry.init, &entry.start_time, err);

	if (r == 0)
		r = registry_add(&entry, err);
	work->is_registered = r == 0;
	return r;
}

static int write_pid_file(const struct work *work, struct err *err)
{
	const char *path = work->job->options->pid_file;
	auto_free char *temporary = path ? mem_printf("%s.XXXXXX", path) : NULL;
	auto_close int fd = path ? mkostemp(temporary, O_CLOEXEC) : -1;

	if (!path)
		return 0;
	if (fd < 0)
		return err_set(err, -errno, "write pid file %s", path);
	if (fchmod(fd, 0644) < 0 || dprintf(fd, "%d\n", work->container.init) < 0 ||
	    rename(temporary, path) < 0) {
		(void)err_set(err, -errno, "write pid file %s", path);
		(void)unlink(temporary);
		return err->code;
	}
	return 0;
}

/* ---- the job ---- */

static void count_tasks(const struct work *work, struct ctckpt_stats *stats)
{
	const struct restore_private *own = work->rs.own;

	for (size_t i = 0; i < own->task_count; i++) {
		stats->tasks += own->tasks[i].record != NULL;
		stats->threads += own->tasks[i].record ? (uint32_t)own->tasks[i].thread_count : 0;
	}
}

static int prepare(struct work *work, struct err *err)
{
	const struct ctckpt_restore_options *options = work->job->options;
	int r = input_open(options->image, options->fd, options->policy, options->rootfs,
			   &work->input, err);

	if (r == 0)
		r = plan_verdict(work->input.plan, err);
	if (r == 0)
		r = choose_name(work, err);
	if (r == 0)
		r = restore_init(&work->rs, work->input.image, work->input.plan, err);
	if (r == 0)
		r = restore_find_hole(&work->rs, err);
	if (r == 0)
		work->rs.own->detach = options->detach;
	return r;
}

/* All tasks run at once where there is a cgroup. A container that is to stay frozen without one
 * stays in our hands: see stay_frozen(). */
static int let_go(struct work *work, struct err *err)
{
	bool leave_frozen = work->job->options->leave_frozen;
	int r = target_find(work->name, &work->target, err);

	if (r < 0)
		return r;
	if (work->target.cgroup < 0)
		return leave_frozen ? 0 : restore_let_go(&work->rs, err);
	/* Tasks that stand still under ptrace count as frozen. */
	r = freezer_freeze(&work->target, err);
	if (r == 0)
		r = restore_let_go(&work->rs, err);
	if (r < 0 || leave_frozen)
		return r;
	return freezer_thaw(&work->target, err);
}

/* Without a cgroup, this worker becomes the container's holder. */
static int stay_frozen(struct work *work, struct err *err)
{
	struct freeze frozen = FREEZE_NONE;

	if (work->target.cgroup >= 0)
		return 0;
	restore_list_threads(&work->rs, &frozen);
	frozen.target = &work->target;
	frozen.is_seized = true;
	return holder_keep(work->job->worker, &frozen, held_serve, err);
}

static int create(struct work *work, struct ctckpt_stats *stats, struct err *err)
{
	int r = make_cgroup(work, err);

	if (r == 0)
		r = start_container(work, err);
	if (r == 0)
		r = run_stage(work, err);
	if (r == 0)
		r = make_tasks(work, stats, err);
	if (r == 0)
		r = register_container(work, err);
	if (r == 0)
		r = write_pid_file(work, err);
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = let_go(work, err);
	work->is_running = r == 0;
	return r;
}

/* The worker waits with the command, and cleans up behind the container. */
static int wait_for_end(struct work *work, int *ret_status, struct err *err)
{
	struct err ignored;
	int r = forward_wait(&work->forward, &work->container, ret_status, err);

	(void)registry_remove(work->name, &ignored);
	(void)cgroup_own_remove(&work->cgroup, &ignored);
	return r;
}

/* In the foreground, signals to the command come by way of us: before the container runs they end
 * the restore, then they are the container's. */
static int take_signals(struct work *work, struct err *err)
{
	pid_t self = getpid();
	int r;

	if (work->job->options->detach)
		return 0;
	r = forward_begin(&work->forward, err);
	work->job->signals = work->forward.signals;
	if (r == 0)
		tell(work->job, 'W', &self, sizeof(self));
	return r;
}

static int job_work(struct worker *worker, void *argument, void *result, struct err *err)
{
	struct job *job = argument;
	struct ctckpt_restore_result *ret = result;
	auto_with(work_free) struct work work = {
		.job = job,
		.input = INPUT_NONE,
		.container = CONTAINER_NONE,
		.forward = FORWARD_NONE,
		.cgroup = CGROUP_OWN_NONE,
		.target = TARGET_NONE,
	};
	uint64_t start = now_us();
	int r;

	job->worker = worker;
	r = take_signals(&work, err);
	if (r == 0)
		r = prepare(&work, err);
	if (r == 0)
		r = create(&work, &ret->stats, err);
	if (r < 0)
		return r;
	ret->stats.restore_time = now_us() - start;
	count_tasks(&work, &ret->stats);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", work.name);
	ret->init = work.container.init;
	tell_notes(job, work.rs.own->shared->notes);
	if (job->options->leave_frozen)
		return stay_frozen(&work, err);
	return job->options->detach ? 0 : wait_for_end(&work, &ret->status, err);
}

static void job_told(void *argument, const void *message, size_t size)
{
	struct job *job = argument;
	const struct ctckpt_restore_options *options = job->options;
	const char *type = message;
	struct ctckpt_progress progress;
	pid_t worker;

	if (size == 1 + sizeof(progress) && *type == 'P' && options->progress) {
		memcpy(&progress, type + 1, sizeof(progress));
		options->progress(options->progress_argument, &progress);
	}
	if (size == 1 + sizeof(worker) && *type == 'W') {
		memcpy(&worker, type + 1, sizeof(worker));
		foreground_set_worker(&job->foreground, worker);
	}
	if (size > 1 && *type == 'N' && options->note) {
		auto_free char *text = mem_copy(type + 1, size - 1);

		options->note(options->note_argument, text);
	}
}

int ctckpt_restore(const struct ctckpt_restore_options *options,
		   struct ctckpt_restore_result *ret_result, struct err *err)
{
	struct job job = { .options = options, .foreground = FOREGROUND_NONE, .signals = -1 };
	struct worker_job worker = { .work = job_work,
				     .told = job_told,
				     .argument = &job,
				     .result = ret_result,
				     .result_size = sizeof(*ret_result) };
	int r = 0;

	*ret_result = (struct ctckpt_restore_result){ .init = 0 };
	if (options->leave_frozen && !options->detach)
		return err_set(err, ERR_USAGE,
			       "--leave-frozen is for containers in the background");
	if (!options->detach)
		r = foreground_begin(&job.foreground, err);
	if (r == 0)
		r = worker_run(&worker, err);
	foreground_end(&job.foreground);
	return r;
}
