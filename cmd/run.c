/* ctckpt run: a command in a container of its own. */
#include <string.h>
#include <sys/wait.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "own_copy.h"

#define AT(field) offsetof(struct run_settings, field)
const struct option_row run_options[] = {
	{ "name", 'n', "NAME", "call the container so", OPTION_TEXT, AT(name), 0, NULL },
	{ "rootfs", 0, "DIR", "its root directory (else the whole file system is seen)",
	  OPTION_TEXT, AT(rootfs), 0, NULL },
	{ "volume", 0, "SOURCE:DIR[:ro]", "mount a directory or file in it", OPTION_LIST,
	  AT(volumes), 0, NULL },
	{ "tmpfs", 0, "DIR", "mount a file system in memory in it", OPTION_LIST, AT(tmpfs), 0,
	  NULL },
	{ "hostname", 0, "NAME", "its host name", OPTION_TEXT, AT(hostname), 0, NULL },
	{ "userns", 0, "MODE", "its user ids: keep-id or auto (else 0 is the invoker)", OPTION_TEXT,
	  AT(userns), 0, NULL },
	{ "seccomp", 0, "FILE", "confine it by a seccomp profile (JSON, as for Docker and Podman)",
	  OPTION_TEXT, AT(seccomp), 0, NULL },
	{ "detach", 'd', NULL, "leave it in the background and print its name", OPTION_FLAG,
	  AT(detach), 0, NULL },
	{ "log", 0, "FILE", "with --detach: its output goes here", OPTION_TEXT, AT(log), 0, NULL },
	{ "tty", 't', NULL, "give it a terminal of its own", OPTION_FLAG, AT(tty), 0, NULL },
	{ "console-socket", 0, "PATH",
	  "with --tty: leave it in the background, its terminal goes here", OPTION_TEXT,
	  AT(console_socket), 0, NULL },
	{ "pid-file", 0, "FILE", "write the pid of its first task", OPTION_TEXT, AT(pid_file), 0,
	  NULL },
	{ 0 },
};
#undef AT

int exit_status_of(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* As shells: 127 for a command that is not there, 126 for one that cannot be executed, and what
 * the code says for all other failures. */
static int status_of_failure(const char *command, const struct err *err)
{
	auto_free char *start = mem_printf("run %s: ", command);
	auto_free char *missing = mem_printf("%s%s", start, strerror(ENOENT));

	if (strcmp(err->text, missing) == 0)
		return 127;
	return strncmp(err->text, start, strlen(start)) == 0 ? 126 : 0;
}

static void print_result(const struct invocation *inv, const struct ctckpt_run_result *result)
{
	if (inv->common.json) {
		auto_json struct json *object = json_new_object();

		json_put_string(object, "name", result->name);
		json_put_i64(object, "pid", result->init);
		print_json(stdout, object);
	} else {
		(void)puts(result->name);
	}
}

int cmd_run(struct invocation *inv, const void *argument, struct err *err)
{
	const struct run_settings *settings = argument;
	struct ctckpt_run_result result = { .status = 0 };
	const struct ctckpt_run_options options = {
		.name = settings->name,
		.rootfs = settings->rootfs,
		.hostname = settings->hostname,
		.userns = settings->userns,
		.seccomp = settings->seccomp,
		.volumes = settings->volumes,
		.tmpfs = settings->tmpfs,
		.command = inv->operands,
		.detach = settings->detach || settings->console_socket,
		.tty = settings->tty,
		.console_socket = settings->console_socket,
		.log = settings->log,
		.pid_file = settings->pid_file,
	};
	int r = 0;

	if (settings->log && (!settings->detach || settings->tty))
		return err_set(err, ERR_USAGE, "--log goes with --detach only%s",
			       settings->tty ? ", and not with --tty" : "");
	/* Without a root directory of its own, the files are the invoker's anyway. */
	if (settings->rootfs)
		r = own_copy_execute(inv->argv, err);
	if (r < 0)
		return r;
	r = ctckpt_run(&options, &result, err);
	if (r < 0) {
		inv->failure_status = status_of_failure(options.command[0], err);
		return r;
	}
	if (!options.detach)
		return exit_status_of(result.status);
	print_result(inv, &result);
	return 0;
}
