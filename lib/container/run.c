/* ctckpt_run(): a command in a container of its own. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "container/command.h"
#include "container/container.h"
#include "container/entry.h"
#include "container/idmap.h"
#include "core/cleanup.h"
#include "ctckpt/ctckpt.h"

struct run {
	const struct ctckpt_run_options *options;
	struct entry entry;
	struct idmap ids;
	struct command command;
	struct volumes volumes;
	struct container container;
	struct console console;
	int socket; /* for the master of its terminal; -1 */
};

static int start(struct run *run, struct err *err)
{
	const struct ctckpt_run_options *options = run->options;
	struct container_spec spec = {
		.rootfs = options->rootfs,
		.hostname = options->hostname,
		.main = command_main,
		.argument = &run->command,
		.volumes = &run->volumes,
	};
	int r;

	r = entry_choose_name(&run->entry, options->name, NULL, err);
	if (r == 0)
		r = idmap_choose(options->userns, &run->ids, err);
	if (r == 0)
		r = command_open(&run->command, options, err);
	if (r == 0 && options->console_socket)
		r = console_connect(options->console_socket, &run->socket, err);
	if (r == 0)
		r = volumes_parse(options->volumes, options->tmpfs, &run->volumes, err);
	if (r == 0)
		r = entry_make_cgroup(&run->entry, err);
	if (r < 0)
		return r;
	spec.uid_map = run->ids.uid;
	spec.uid_map_count = run->ids.uid_count;
	spec.gid_map = run->ids.gid;
	spec.gid_map_count = run->ids.gid_count;
	spec.cgroup = run->entry.cgroup.v2;
	spec.cgroup_v1 = run->entry.cgroup.v1;
	return container_start(&spec, &run->container, err);
}

/* The other side's end of the socket is closed when it has failed. */
static int take_terminal(struct run *run, struct err *err)
{
	auto_close int master = -1;

	if (!run->options->tty)
		return 0;
	master = command_take_terminal(&run->command);
	if (master < 0)
		return 0; /* why is what it says next */
	if (run->socket >= 0)
		return console_send(run->socket, master, err);
	run->console.master = take_fd(&master);
	return 0;
}

static int launch(struct run *run, struct err *err)
{
	const struct ctckpt_run_options *options = run->options;
	pid_t init = run->container.init;
	int r = entry_register(&run->entry, init, options->rootfs, NULL, &run->command.filter, err);

	if (r == 0)
		r = entry_write_pid_file(&run->entry, options->pid_file, init, err);
	if (r == 0)
		r = container_go(&run->container, err);
	if (r == 0)
		r = take_terminal(run, err);
	if (r == 0)
		r = container_wait_exec(&run->container, err);
	return r;
}

static void run_free(struct run *run)
{
	console_end(&run->console);
	drop_fd(&run->socket);
	container_free(&run->container);
	command_free(&run->command);
	volumes_free(&run->volumes);
	idmap_free(&run->ids);
	entry_free(&run->entry);
}

static void tell(const struct run *run, int status, struct ctckpt_run_result *ret_result)
{
	memset(ret_result, 0, sizeof(*ret_result));
	(void)snprintf(ret_result->name, sizeof(ret_result->name), "%s", run->entry.name);
	ret_result->init = run->container.init;
	ret_result->status = status;
}

static int check_terminal(const struct ctckpt_run_options *options, struct err *err)
{
	if (options->console_socket && !options->tty)
		return err_set(err, ERR_USAGE, "--console-socket goes with --tty only");
	if (!options->tty || options->console_socket)
		return 0;
	if (options->detach)
		return err_set(err, ERR_USAGE, "--tty in the background needs --console-socket");
	if (!console_has_user()) {
		(void)err_set(err, ERR_USAGE, "--tty: standard input is not a terminal");
		return err_hint(err, "use --console-socket");
	}
	return 0;
}

int ctckpt_run(const struct ctckpt_run_options *options, struct ctckpt_run_result *ret_result,
	       struct err *err)
{
	auto_with(run_free) struct run run = {
		.options = options,
		.entry = ENTRY_NONE,
		.command = COMMAND_NONE,
		.container = CONTAINER_NONE,
		.console = CONSOLE_NONE,
		.socket = -1,
	};
	auto_with(forward_free) struct forward forward = FORWARD_NONE;
	int status = 0;
	int r = check_terminal(options, err);

	if (r < 0)
		return r;
	/* Before the container starts: from now on, no signal is lost. */
	if (!options->detach)
		r = forward_begin(&forward, err);
	if (r == 0)
		r = start(&run, err);
	if (r == 0)
		r = launch(&run, err);
	if (r == 0 && run.console.master >= 0)
		forward_console(&forward, &run.console);
	if (r == 0 && !options->detach)
		r = forward_wait(&forward, &run.container, &status, err);
	if (r < 0)
		container_kill(&run.container);
	if (r == 0)
		tell(&run, status, ret_result);
	if (r < 0 || !options->detach)
		entry_remove(&run.entry);
	return r;
}
