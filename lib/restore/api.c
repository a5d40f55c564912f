/* ctckpt_restore(): from an image to a running container. A worker does it, and traces all tasks
 * until they run: whatever happens before, nothing is left. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "container/command.h"
#include "container/console.h"
#include "container/container.h"
#include "container/entry.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/worker.h"
#include "ctckpt/ctckpt.h"
#include "ctckpt/policy.h"
#include "dump/held.h"
#include "freeze/deadline.h"
#include "freeze/freeze.h"
#include "freeze/holder.h"
#include "kind/support/grant.h"
#include "oci/runtime.h"
#include "restore/foreground.h"
#include "restore/input.h"
#include "restore/join.h"
#include "restore/messages.h"
#include "restore/restore.h"
#include "restore/watch.h"
#include "target/target.h"

struct job {
	const struct ctckpt_restore_options *options;
	struct foreground foreground; /* in the command */
	struct grants grants;	      /* owned, in the command and in the worker */
	struct worker *worker;
	int signals;  /* signalfd; -1: none are for us */
	int guard[2]; /* a pipe that is open in its guard: for the command, and for the worker */
	uint64_t last_told;
};

/* What exists while a restore is under way; taken down by work_free() unless it `is_running`. */
struct work {
	struct job *job;
	struct input input;
	struct bundle_mounts bundle;
	struct runtime runtime;
	struct restore rs;
	struct container container;
	struct forward forward;
	struct console console;
	int console_socket; /* for the master of the container's own terminal; -1 */
	struct entry entry;
	struct target target; /* once it is registered */
	pid_t watcher;	      /* 0: none */
	bool is_running;
	struct err *err; /* borrowed */
};

static void work_free(struct work *work)
{
	restore_watch_end(&work->watcher);
	if (!work->is_running) {
		bool are_made_gone = restore_undo(&work->rs, work->container.init);

		container_kill(&work->container);
		restore_guard_undo(&work->rs, are_made_gone, work->err);
		entry_remove(&work->entry);
		runtime_end(&work->runtime);
	}
	console_end(&work->console);
	drop_fd(&work->console_socket);
	forward_free(&work->forward);
	target_free(&work->target);
	container_free(&work->container);
	restore_free(&work->rs);
	input_free(&work->input);
	entry_free(&work->entry);
}

/* ---- the container ---- */

/* The saved name is taken again, if it is free. */
static int choose_name(struct work *work, struct err *err)
{
	const struct record *record = image_next(work->input.image, TAG_CONTAINER, NULL);
	const struct container_rec *rec = record ? record->body : NULL;
	auto_free char *saved = NULL;

	if (rec && le32_get(rec->name_length) > 0)
		saved = mem_copy(rec + 1, le32_get(rec->name_length));
	return entry_choose_name(&work->entry, work->job->options->name, saved, err);
}

static int start_container(struct work *work, struct err *err)
{
	const struct ctckpt_restore_options *options = work->job->options;
	struct container_spec spec = {
		.rootfs = options->rootfs,
		.cgroup = work->entry.cgroup.v2,
		.cgroup_v1 = work->entry.cgroup.v1,
		.main = restore_stage_main,
		.argument = &work->rs,
		.volumes = &work->input.volumes,
	};

	if (options->bundle) {
		spec.rootfs = work->input.bundle.rootfs;
		spec.hostname = work->input.bundle.config->hostname;
		spec.domainname = work->input.bundle.config->domainname;
		spec.make_root = bundle_make_root;
		spec.make_root_argument = &work->bundle;
	}
	spec.uid_map = plan_uid_map(work->input.plan, &spec.uid_map_count);
	spec.gid_map = plan_gid_map(work->input.plan, &spec.gid_map_count);
	restore_set_clocks(work->input.image, &spec);
	return container_start(&spec, &work->container, err);
}

/* Lets the first task do its part; it stops when it has executed the tiny program. */
static int run_stage(struct work *work, struct err *err)
{
	pid_t init = work->container.init;
	int r = restore_seize_first(init, err);

	if (r == 0)
		r = runtime_begin(&work->runtime, init, err);
	if (r == 0)
		r = restore_guard_begin(&work->rs, init, work->container.pidfd,
					work->entry.cgroup.v1, err);
	if (r == 0)
		r = restore_watch_begin(worker_lifeline(work->job->worker), work->container.pidfd,
					&work->watcher, err);
	if (r == 0)
		r = container_go(&work->container, err);
	return r == 0 ? restore_await_exec(&work->container, err) : r;
}

/* ---- the tasks ---- */

static bool is_cancelled(void *argument)
{
	const struct job *job = argument;
	struct pollfd signals = { .fd = job->signals, .events = POLLIN };

	return worker_is_cancelled(job->worker) || poll(&signals, 1, 0) > 0;
}

static void tell_progress(void *argument, uint64_t done, uint64_t total)
{
	struct job *job = argument;

	if (job->options->progress)
		message_progress(job->worker, &job->last_told, done, total);
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
	uint64_t start = clock_us();
	int r = 0;

	if (!rs->own->is_joined)
		r = restore_make_template(rs, work->container.init, err);
	if (r == 0)
		r = restore_make_tree(rs, err);
	stats->forking_time = clock_us() - start;
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = restore_map_memory(rs, err);
	if (r == 0)
		r = restore_fill_content(rs, tell_progress, is_cancelled, work->job, err);
	if (r == 0)
		r = restore_protect_memory(rs, err);
	if (r == 0)
		r = restore_enter_namespaces(rs, err);
	if (r == 0)
		r = restore_make_zombies(rs, err);
	if (r == 0)
		r = restore_replace_files(rs, err);
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = restore_finish_tasks(rs, err);
	if (r == 0)
		r = restore_load_registers(rs, err);
	if (r == 0)
		r = restore_settle_files(rs, err);
	if (r == 0)
		r = restore_post_check(rs, err);
	return r;
}

/* ---- the job ---- */

static int take_terminal(struct work *work, struct err *err)
{
	work->console.lifeline = worker_lifeline(work->job->worker);
	return restore_take_terminal(&work->rs, work->container.pidfd, work->console_socket,
				     &work->console.master, err);
}

static void join_bundle(struct work *work)
{
	const struct bundle *bundle = &work->input.bundle;

	work->runtime = (struct runtime){ .bundle = bundle,
					  .id = work->entry.name,
					  .saved = work->rs.own->filter };
	if (filter_is_same(&bundle->filter, &work->runtime.saved))
		work->runtime.saved = FILTER_NONE;
	work->bundle = (struct bundle_mounts){
		.bundle = bundle, .rs = &work->rs, .runtime = &work->runtime, .proc = -1
	};
	work->rs.own->bundle = &work->bundle;
	work->rs.own->bundle_filter = bundle->filter;
	if (bundle->filter.code && work->runtime.saved.code)
		restore_note(&work->rs, "tasks have two seccomp filters, the saved one and the "
					"bundle's: a checkpoint of them is refused");
}

/* For the registry; NULL: there is none, or more than one. */
static const struct filter *only_filter(const struct work *work)
{
	const struct filter *saved = &work->rs.own->filter;
	const struct filter *bundle = &work->rs.own->bundle_filter;

	if (!bundle->code || filter_is_same(saved, bundle))
		return saved;
	return saved->code ? NULL : bundle;
}

static int prepare(struct work *work, struct err *err)
{
	const struct ctckpt_restore_options *options = work->job->options;
	const struct ctckpt_plan_options planned = {
		.join = options->join,
		.image = options->image,
		.fd = options->fd,
		.limits = options->limits,
		.policy = options->policy,
		.rootfs = options->rootfs,
		.bundle = options->bundle,
		.volumes = options->volumes,
		.leave_frozen = options->leave_frozen,
		.tcp_established = options->tcp_established,
		.file_system = options->file_system,
	};
	int r = input_open(&planned, &work->job->grants, &work->input, err);

	if (r == 0)
		r = plan_verdict(work->input.plan, err);
	if (r == 0 && options->plan)
		r = plan_hold(work->input.plan, options->plan, err);
	if (r == 0)
		r = restore_prepare_console(work->input.image, options, &work->console_socket, err);
	if (r == 0)
		r = choose_name(work, err);
	if (r == 0)
		r = restore_init(&work->rs, work->input.image, work->input.plan, err);
	if (r == 0 && !options->join)
		r = restore_journal_begin(&work->rs, work->input.root, work->job->guard[1], err);
	if (r == 0 && options->bundle)
		join_bundle(work);
	if (r == 0)
		r = restore_find_hole(&work->rs, err);
	if (r == 0)
		work->rs.own->detach = options->detach && !options->join;
	if (r == 0)
		work->rs.own->is_joined = options->join != NULL;
	if (r == 0 && options->join)
		r = join_check(&work->rs, options->join, err);
	if (r == 0)
		work->rs.own->volumes = &work->input.volumes;
	return r;
}

/* All tasks run at once where there is a cgroup. A container that is to stay frozen without one
 * stays in our hands: see stay_frozen(). */
static int let_go(struct work *work, struct err *err)
{
	bool leave_frozen = work->job->options->leave_frozen;
	int r = target_find(work->entry.name, &work->target, err);

	if (r < 0)
		return r;
	if (work->target.cgroup < 0)
		return leave_frozen ? 0 : restore_let_go(&work->rs, err);
	/* Tasks that stand still under ptrace count as frozen. */
	r = freezer_freeze(&work->target, err);
	if (r == 0)
		r = restore_let_go(&work->rs, err);
	if (r < 0)
		return r;
	return leave_frozen ? freezer_freeze(&work->target, err) : freezer_thaw(&work->target, err);
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
	const struct ctckpt_restore_options *options = work->job->options;
	int r = entry_make_cgroup(&work->entry, err);

	if (r == 0)
		r = start_container(work, err);
	if (r == 0)
		r = run_stage(work, err);
	grants_free(&work->job->grants);
	if (r == 0)
		r = take_terminal(work, err);
	if (r == 0)
		r = make_tasks(work, stats, err);
	if (r == 0)
		r = restore_place_in_cgroups(&work->rs, &work->entry.cgroup, err);
	if (r == 0)
		r = entry_register(&work->entry, work->container.init,
				   options->bundle ? work->input.bundle.rootfs : options->rootfs,
				   options->image, only_filter(work), err);
	if (r == 0)
		r = entry_write_pid_file(&work->entry, options->pid_file, work->container.init,
					 err);
	if (r == 0)
		r = runtime_register(&work->runtime, work->container.init, err);
	restore_watch_end(&work->watcher);
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = let_go(work, err);
	if (r == 0)
		r = runtime_started(&work->runtime, work->container.init, err);
	work->is_running = r == 0;
	if (r == 0)
		restore_guard_keep(&work->rs);
	return r;
}

/* Into a container of an engine's, which knows and ends it as any other. */
static int create_inside(struct work *work, struct ctckpt_stats *stats, struct err *err)
{
	const struct ctckpt_join *join = work->job->options->join;
	int r;

	work->container.pidfd = pidfd_open(join->pid, 0);
	if (work->container.pidfd < 0)
		return err_set(err, -errno, "open process %d", join->pid);
	r = join_seize(join->pid, err);
	if (r < 0)
		return r;
	work->container.init = join->pid;
	r = join_make_first_task(&work->rs, join, join->pid, work->container.pidfd, err);
	grants_free(&work->job->grants);
	if (r == 0)
		r = make_tasks(work, stats, err);
	if (r == 0)
		r = check_cancelled(work, err);
	if (r == 0)
		r = restore_let_go(&work->rs, err);
	work->is_running = r == 0;
	if (r < 0)
		join->failed(join->argument, err);
	return r;
}

/* The worker waits with the command, and cleans up behind the container. */
static int wait_for_end(struct work *work, int *ret_status, struct err *err)
{
	int r;

	if (work->console.master >= 0)
		forward_console(&work->forward, &work->console);
	r = forward_wait(&work->forward, &work->container, ret_status, err);
	console_end(&work->console);
	entry_remove(&work->entry);
	runtime_end(&work->runtime);
	return r;
}

/* In the foreground, signals to the command come by way of us: before the container runs they end
 * the restore, then they are the container's. */
static int take_signals(struct work *work, struct err *err)
{
	int r;

	if (work->job->options->detach)
		return 0;
	r = forward_begin(&work->forward, err);
	work->job->signals = work->forward.signals;
	if (r == 0)
		message_pid(work->job->worker);
	return r;
}

static int job_work(struct worker *worker, void *argument, void *result, struct err *err)
{
	struct job *job = argument;
	const struct ctckpt_restore_options *options = job->options;
	struct ctckpt_restore_result *ret = result;
	auto_with(work_free) struct work work = {
		.job = job,
		.input = INPUT_NONE,
		.container = CONTAINER_NONE,
		.forward = FORWARD_NONE,
		.console = CONSOLE_NONE,
		.console_socket = -1,
		.entry = ENTRY_NONE,
		.target = TARGET_NONE,
		.err = err,
	};
	uint64_t start = clock_us();
	int r;

	job->worker = worker;
	r = take_signals(&work, err);
	if (r == 0)
		r = prepare(&work, err);
	if (r == 0)
		r = options->join ? create_inside(&work, &ret->stats, err)
				  : create(&work, &ret->stats, err);
	if (r < 0)
		return r;
	ret->stats.restore_time = clock_us() - start;
	restore_count_tasks(&work.rs, &ret->stats.tasks, &ret->stats.threads);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", work.entry.name);
	ret->init = work.container.init;
	message_notes(job->worker, work.rs.own->shared->notes, work.rs.own->shared->notes_missed);
	if (options->leave_frozen)
		return stay_frozen(&work, err);
	return options->detach ? 0 : wait_for_end(&work, &ret->status, err);
}

static void job_told(void *argument, const void *message, size_t size)
{
	struct job *job = argument;

	/* The worker has them; nobody is to wait for us. */
	if (message_take(job->options, &job->foreground, message, size))
		grants_free(&job->grants);
}

static void await_guard(void *argument)
{
	restore_guard_await(((struct job *)argument)->guard);
}

int ctckpt_restore(const struct ctckpt_restore_options *options,
		   struct ctckpt_restore_result *ret_result, struct err *err)
{
	struct job job = { .options = options,
			   .foreground = FOREGROUND_NONE,
			   .signals = -1,
			   .guard = { -1, -1 } };
	struct worker_job worker = { .work = job_work,
				     .after = await_guard,
				     .told = job_told,
				     .argument = &job,
				     .result = ret_result,
				     .result_size = sizeof(*ret_result) };
	int r = 0;

	*ret_result = (struct ctckpt_restore_result){ .init = 0 };
	if (options->leave_frozen && !options->detach)
		return err_set(err, ERR_USAGE,
			       "--leave-frozen is for containers in the background");
	r = grants_take(options->grants, &job.grants, err);
	if (r == 0)
		r = restore_guard_watch(job.guard, err);
	if (r == 0 && !options->detach)
		r = foreground_begin(&job.foreground, err);
	if (r == 0)
		r = worker_run(&worker, err);
	foreground_end(&job.foreground);
	grants_free(&job.grants);
	restore_guard_forget(job.guard);
	return r;
}
