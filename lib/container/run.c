/* ctckpt_run(): a command in a container of its own. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/command.h"
#include "container/container.h"
#include "container/idmap.h"
#include "core/buf.h"
#include "core/cgroup.h"
#include "core/cleanup.h"
#include "core/log.h"
#include "core/procfs.h"
#include "ctckpt/ctckpt.h"
#include "target/target.h"

struct run {
	const struct ctckpt_run_options *options;
	char *name; /* owned */
	struct cgroup_own cgroup;
	struct idmap ids;
	struct command command;
	struct container container;
	bool is_registered;
	bool has_pid_file;
};

static int choose_name(struct run *run, struct err *err)
{
	const char *name = run->options->name;

	if (!name)
		return registry_new_name(&run->name, err);
	if (!registry_name_is_valid(name)) {
		(void)err_set(err, ERR_USAGE, "'%s' cannot be the name of a container", name);
		return err_hint(err, "a letter or digit, then up to 63 letters, digits, dots, "
				     "dashes and underscores");
	}
	run->name = mem_string(name);
	return 0;
}

static int read_start_time(pid_t pid, uint64_t *ret_time, struct err *err)
{
	auto_buf struct buf text = BUF_EMPTY;
	auto_close int proc = -1;
	struct procfs_stat stat;
	int r;

	r = procfs_open_pid(pid, &proc, err);
	if (r == 0)
		r = procfs_read(proc, "stat", &text, err);
	if (r == 0)
		r = procfs_stat_parse(text.data ? text.data : "", &stat, err);
	if (r == 0)
		*ret_time = stat.start_time;
	return r;
}

static int enter_registry(struct run *run, struct err *err)
{
	auto_free char *rootfs = NULL;
	struct registry_entry entry = {
		.name = run->name,
		.init = run->container.init,
		.cgroup_path = run->cgroup.v2_path ? run->cgroup.v2_path : run->cgroup.v1_path,
	};
	int r;

	if (run->options->rootfs) {
		rootfs = realpath(run->options->rootfs, NULL);
		if (!rootfs)
			return err_set(err, -errno, "root file system %s", run->options->rootfs);
		entry.rootfs = rootfs;
	}
	r = read_start_time(entry.init, &entry.start_time, err);
	if (r == 0)
		r = registry_add(&entry, err);
	run->is_registered = r == 0;
	return r;
}

/* Whoever waits for the file to appear finds the whole number in it. */
static int write_pid_file(struct run *run, struct err *err)
{
	const char *path = run->options->pid_file;
	auto_free char *temporary = NULL;
	auto_close int fd = -1;

	if (!path)
		return 0;
	temporary = mem_printf("%s.XXXXXX", path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "write pid file %s", path);
	if (fchmod(fd, 0644) < 0 || dprintf(fd, "%d\n", run->container.init) < 0 ||
	    rename(temporary, path) < 0) {
		(void)err_set(err, -errno, "write pid file %s", path);
		(void)unlink(temporary);
		return err->code;
	}
	run->has_pid_file = true;
	return 0;
}

static int create_cgroup(struct run *run, struct err *err)
{
	struct cgroup_own *own = &run->cgroup;
	int r = cgroup_own_create(run->name, own, err);

	if (r == -EEXIST) {
		(void)err_wrap(err, "name %s is taken", run->name);
		return err_hint(err, "choose another name");
	}
	if (r < 0 || own->v1 < 0 || own->v2 < 0)
		return r;
	/* One is enough to freeze, and the registry remembers one. */
	if (rmdir(own->v1_path) < 0)
		return err_set(err, -errno, "remove cgroup %s", own->v1_path);
	drop_fd(&own->v1);
	free(take_ptr(own->v1_path));
	return 0;
}

static int start(struct run *run, struct err *err)
{
	const struct ctckpt_run_options *options = run->options;
	struct container_spec spec = {
		.rootfs = options->rootfs,
		.hostname = options->hostname,
		.main = command_main,
		.argument = &run->command,
	};
	int r;

	r = choose_name(run, err);
	if (r == 0)
		r = idmap_of_invoker(&run->ids, err);
	if (r == 0)
		r = command_open(&run->command, options, err);
	if (r == 0)
		r = create_cgroup(run, err);
	if (r < 0)
		return r;
	spec.uid_map = run->ids.uid;
	spec.uid_map_count = run->ids.uid_count;
	spec.gid_map = run->ids.gid;
	spec.gid_map_count = run->ids.gid_count;
	spec.cgroup = run->cgroup.v2;
	spec.cgroup_v1 = run->cgroup.v1;
	return container_start(&spec, &run->container, err);
}

static int launch(struct run *run, struct err *err)
{
	int r;

	r = enter_registry(run, err);
	if (r == 0)
		r = write_pid_file(run, err);
	if (r == 0)
		r = container_go(&run->container, err);
	if (r == 0)
		r = container_wait_exec(&run->container, err);
	return r;
}

/* The container is gone. What cannot be cleaned up does not change what the command's end means. */
static void clean_up(struct run *run)
{
	struct err err = ERR_NONE;

	if (run->has_pid_file)
		(void)unlink(run->options->pid_file);
	if (run->is_registered && registry_remove(run->name, &err) < 0)
		log_info("%s", err.text);
	if (cgroup_own_remove(&run->cgroup, &err) < 0)
		log_info("%s", err.text);
}

static void run_free(struct run *run)
{
	container_free(&run->container);
	command_free(&run->command);
	cgroup_own_free(&run->cgroup);
	idmap_free(&run->ids);
	free(run->name);
}

static void tell(const struct run *run, int status, struct ctckpt_run_result *ret_result)
{
	memset(ret_result, 0, sizeof(*ret_result));
	(void)snprintf(ret_result->name, sizeof(ret_result->name), "%s", run->name);
	ret_result->init = run->container.init;
	ret_result->status = status;
}

int ctckpt_run(const struct ctckpt_run_options *options, struct ctckpt_run_result *ret_result,
	       struct err *err)
{
	auto_with(run_free) struct run run = {
		.options = options,
		.cgroup = CGROUP_OWN_NONE,
		.command = COMMAND_NONE,
		.container = CONTAINER_NONE,
	};
	auto_with(forward_free) struct forward forward = FORWARD_NONE;
	int status = 0;
	int r = 0;

	/* Before the container starts: from now on, no signal is lost. */
	if (!options->detach)
		r = forward_begin(&forward, err);
	if (r == 0)
		r = start(&run, err);
	if (r == 0)
		r = launch(&run, err);
	if (r == 0 && !options->detach)
		r = forward_wait(&forward, &run.container, &status, err);
	if (r < 0)
		container_kill(&run.container);
	if (r == 0)
		tell(&run, status, ret_result);
	if (r < 0 || !options->detach)
		clean_up(&run);
	return r;
}
