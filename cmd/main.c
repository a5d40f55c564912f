/* ctckpt: the table of commands, and what is common to all of them. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/log.h"

const struct command commands[] = {
	{ "run", "[--] COMMAND [ARGUMENT...]", 1, -1, "run a command in a container of its own",
	  run_options, sizeof(struct run_settings), cmd_run },
	{ "ps", "", 0, 0, "list containers", ps_options, sizeof(struct ps_settings), cmd_ps },
	{ "freeze", "CONTAINER", 1, 1, "stop every task of a container", engine_root_options,
	  sizeof(struct engine_root_settings), cmd_freeze },
	{ "thaw", "CONTAINER", 1, 1, "let a frozen container go on", engine_root_options,
	  sizeof(struct engine_root_settings), cmd_thaw },
	{ "checkpoint", "CONTAINER", 1, 1, "save a container in an image", checkpoint_options,
	  sizeof(struct checkpoint_settings), cmd_checkpoint },
	{ "restore", "IMAGE", 1, 1, "bring a saved container back", restore_options,
	  sizeof(struct restore_settings), cmd_restore },
	{ "state", "CONTAINER", 1, 1, "print the OCI state of a container from a bundle", NULL, 0,
	  cmd_state },
	{ "kill", "CONTAINER [SIGNAL]", 1, 2, "send a signal to a container from a bundle",
	  kill_options, sizeof(struct kill_settings), cmd_kill },
	{ "delete", "CONTAINER", 1, 1, "forget a container from a bundle", delete_options,
	  sizeof(struct delete_settings), cmd_delete },
	{ "plan", "IMAGE", 1, 1, "say what a restore would keep, change and refuse", plan_options,
	  sizeof(struct plan_settings), cmd_plan },
	{ "policy", "check FILE", 2, 2, "look for errors in a policy file", NULL, 0, cmd_policy },
	{ "inspect", "IMAGE", 1, 1, "show what is in an image", inspect_options,
	  sizeof(struct inspect_settings), cmd_inspect },
	{ "verify", "IMAGE", 1, 1, "check every byte of an image", verify_options,
	  sizeof(struct verify_settings), cmd_verify },
	{ "export", "IMAGE oci:DIR[:TAG]", 2, 2, "put an image into an OCI image layout",
	  export_options, sizeof(struct export_settings), cmd_export },
	{ "import", "oci:DIR[:TAG]", 1, 1, "take an image out of an OCI image layout",
	  import_options, sizeof(struct import_settings), cmd_import },
	{ "check", "", 0, 0, "say what this host can and cannot do", NULL, 0, cmd_check },
	{ "kinds", "", 0, 0, "list the kernel resources that can be saved", NULL, 0, cmd_kinds },
	{ "oci-hook", "STAGE", 1, 1,
	  "for engines: what is to be done as a container starts or ends", oci_hook_options,
	  sizeof(struct oci_hook_settings), cmd_oci_hook },
	{ "completion", "bash", 1, 1, "print the completion for a shell", NULL, 0, cmd_completion },
	{ 0 },
};

const struct option_row common_options[] = {
	{ "json", 0, NULL, "print results and errors as JSON", OPTION_FLAG,
	  offsetof(struct common_settings, json), 0, NULL },
	{ "verbose", 'v', NULL, "say what is done, on standard error", OPTION_FLAG,
	  offsetof(struct common_settings, verbose), 0, NULL },
	{ "debug", 0, NULL, "say more than users want to know", OPTION_FLAG,
	  offsetof(struct common_settings, debug), 0, NULL },
	{ "help", 'h', NULL, "print this help", OPTION_FLAG, offsetof(struct common_settings, help),
	  0, NULL },
	{ "version", 0, NULL, "print the version", OPTION_FLAG,
	  offsetof(struct common_settings, version), 0, NULL },
	{ 0 },
};

/* Standard output that cannot be written is a failure, even when the command has done its work. */
static int flush_output(int r, struct err *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return r;
	return r < 0 ? r : err_set(err, -errno, "write to standard output");
}

/* "restore web: " in front of what went wrong, unless the library has said so. */
static void name_operation(const struct invocation *inv, struct err *err)
{
	auto_free char *what = NULL;

	if (!inv->command || err->code == ERR_USAGE)
		return;
	if (inv->operand_count > 0 && inv->command->operands_max == 1)
		what = mem_printf("%s %s", inv->command->name, inv->operands[0]);
	else
		what = mem_string(inv->command->name);
	if (strncmp(err->text, what, strlen(what)) != 0)
		err_wrap(err, "%s", what);
}

static void set_log_level(const struct common_settings *common)
{
	if (common->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	else if (common->verbose)
		log_set_level(LOG_LEVEL_INFO);
}

static int execute(struct invocation *inv, const void *settings, struct err *err)
{
	if (inv->common.version) {
		(void)puts("ctckpt " CTCKPT_VERSION);
		return flush_output(0, err);
	}
	if (inv->common.help) {
		cli_print_help(stdout, inv->command);
		return flush_output(0, err);
	}
	set_log_level(&inv->common);
	return flush_output(inv->command->run(inv, settings, err), err);
}

/* In the place of a closed standard descriptor another file, such as an image, would be taken for
 * it. This one can be neither read nor written, and is closed on execution. */
static int occupy_standard_descriptors(struct err *err)
{
	for (int fd = 0; fd <= STDERR_FILENO;) {
		fd = open("/dev/null", O_PATH | O_CLOEXEC);
		if (fd < 0)
			return err_set(err, -errno, "open /dev/null");
		if (fd > STDERR_FILENO)
			(void)close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct invocation inv = { .command = NULL, .argv = argv };
	auto_free void *settings = NULL;
	struct err err = ERR_NONE;
	int r = 0;

	/* A closed pipe is an error like a full disk, with the same clean-up. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = occupy_standard_descriptors(&err);
	if (r == 0)
		r = cli_parse(&inv, argc > 0 ? argv + 1 : argv, &settings, &err);
	if (r == 0)
		r = execute(&inv, settings, &err);
	if (r < 0) {
		name_operation(&inv, &err);
		r = inv.failure_status ? inv.failure_status : err_exit_status(r);
		print_error(&inv, &err, r);
	}
	free(inv.operands);
	return r;
}
