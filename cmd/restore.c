/* ctckpt restore: bring a saved container back. */
#include <inttypes.h>
#include <unistd.h>

#include "commands.h"
#include "image_file.h"

const char *const policy_words[] = { "strict", "map", "same-host", "forensic", NULL };

#define AT(field) offsetof(struct restore_settings, field)
const struct option_row restore_options[] = {
	{ "policy", 'p', "POLICY",
	  "what may differ: strict, map, same-host, forensic or a file [strict]", OPTION_TEXT,
	  AT(policy), 0, policy_words },
	{ "plan", 0, "FILE", "refuse if anything is worse than in this output of plan --json",
	  OPTION_TEXT, AT(plan), 0, NULL },
	{ "name", 'n', "NAME", "call the container so [as saved, if that is free]", OPTION_TEXT,
	  AT(name), 0, NULL },
	{ "rootfs", 0, "DIR", "its root directory, if it had one of its own", OPTION_TEXT,
	  AT(rootfs), 0, NULL },
	{ "bundle", 'b', "DIR", "make the container by config.json of this OCI bundle", OPTION_TEXT,
	  AT(bundle), 0, NULL },
	{ "volume", 0, "SOURCE:DIR[:ro]", "for a mount of the host that the container had",
	  OPTION_LIST, AT(volumes), 0, NULL },
	{ "grant", 0, "[PID:]fdN=FD", "FD takes the place of descriptor N of a saved task",
	  OPTION_LIST, AT(grants), 0, NULL },
	{ "detach", 'd', NULL, "leave it in the background and print its name", OPTION_FLAG,
	  AT(detach), 0, NULL },
	{ "userns", 0, NULL, "into a user namespace of the invoker's (always so)", OPTION_FLAG,
	  AT(userns), 0, NULL },
	{ "leave-frozen", 0, NULL, "restore, but do not let it run yet", OPTION_FLAG,
	  AT(leave_frozen), 0, NULL },
	{ "tcp-established", 0, NULL, "keep connections that lead outside", OPTION_FLAG,
	  AT(tcp_established), 0, NULL },
	{ "file-system", 0, NULL, "put the files that the image carries below --rootfs",
	  OPTION_FLAG, AT(file_system), 0, NULL },
	{ "console-socket", 0, "PATH",
	  "with --detach: the terminal that it has of its own goes here", OPTION_TEXT,
	  AT(console_socket), 0, NULL },
	{ "pid-file", 0, "FILE", "write the pid of its first task", OPTION_TEXT, AT(pid_file), 0,
	  NULL },
	{ "print-stats", 0, NULL, "print times and sizes", OPTION_FLAG, AT(print_stats), 0, NULL },
	{ "progress-fd", 0, "FD", "write progress there as lines of JSON", OPTION_NUMBER,
	  AT(progress_fd), 0, NULL },
	LIMIT_OPTIONS(restore_settings),
	{ 0 },
};
#undef AT

static void print_result(const struct invocation *inv, const struct restore_settings *settings,
			 bool detach, const struct ctckpt_restore_result *result)
{
	/* In the foreground, standard output is the container's. */
	FILE *out = detach ? stdout : stderr;

	if (inv->common.json) {
		auto_json struct json *object = stats_to_json(&result->stats);

		json_put_string(object, "name", result->name);
		json_put_i64(object, "pid", result->init);
		if (!detach)
			json_put_i64(object, "exit_status", exit_status_of(result->status));
		print_json(out, object);
		return;
	}
	if (detach)
		(void)fprintf(out, "%s\n", result->name);
	if (settings->print_stats)
		print_stats(out, &result->stats);
}

static void print_note(void *argument, const char *text)
{
	(void)argument;
	(void)fputs("ctckpt: note: ", stderr);
	print_text(stderr, text);
	(void)fputc('\n', stderr);
}

int cmd_restore(struct invocation *inv, const void *argument, struct err *err)
{
	const struct restore_settings *settings = argument;
	auto_progress struct progress progress = PROGRESS_NONE;
	struct ctckpt_restore_result result = { .status = 0 };
	struct image_limits limits = image_limits_of_host();
	struct ctckpt_restore_options options = {
		.image = inv->operands[0],
		.fd = STDIN_FILENO,
		.limits = &limits,
		.policy = settings->policy,
		.plan = settings->plan,
		.name = settings->name,
		.rootfs = settings->rootfs,
		.bundle = settings->bundle,
		.volumes = settings->volumes,
		.grants = settings->grants,
		.pid_file = settings->pid_file,
		.detach = settings->detach || settings->console_socket,
		.leave_frozen = settings->leave_frozen,
		.tcp_established = settings->tcp_established,
		.file_system = settings->file_system,
		.console_socket = settings->console_socket,
		.progress = progress_step,
		.progress_argument = &progress,
		.note = print_note,
	};
	int r = image_check_input(options.image, err);

	if (r == 0)
		r = limits_apply(&settings->reading, &limits, err);
	if (r == 0)
		r = progress_start(&progress, settings->progress_fd, err);
	if (r == 0)
		r = ctckpt_restore(&options, &result, err);
	progress_end(&progress);
	if (r < 0)
		return r;
	print_result(inv, settings, options.detach, &result);
	return options.detach ? 0 : exit_status_of(result.status);
}
