/* ctckpt state, kill and delete: containers that were restored from an OCI bundle. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/scan.h"
#include "ctckpt/oci.h"

#define AT(field) offsetof(struct kill_settings, field)
const struct option_row kill_options[] = {
	{ "all", 'a', NULL, "to all tasks of the container, not to its first one only", OPTION_FLAG,
	  AT(all), 0, NULL },
	{ 0 },
};
#undef AT

#define AT(field) offsetof(struct delete_settings, field)
const struct option_row delete_options[] = {
	{ "force", 'f', NULL, "kill it first, if it still runs", OPTION_FLAG, AT(force), 0, NULL },
	{ 0 },
};
#undef AT

int cmd_state(struct invocation *inv, const void *settings, struct err *err)
{
	auto_json struct json *state = NULL;
	int r = ctckpt_oci_state(inv->operands[0], &state, err);

	(void)settings;
	if (r == 0)
		print_json(stdout, state);
	return r;
}

/* "9", "KILL", "SIGKILL", "RTMIN+1", in any case of letters; 0: there is none. */
static int signal_by_name(const char *text)
{
	const char *at = text;
	uint64_t number = 0;

	if (scan_number(&at, 10, (uint64_t)SIGRTMAX, &number))
		return *at ? 0 : (int)number;
	at = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	if (strncasecmp(at, "RTMIN", 5) == 0) {
		at += 5;
		if (*at == '\0')
			return SIGRTMIN;
		return scan_char(&at, '+') &&
			       scan_number(&at, 10, (uint64_t)(SIGRTMAX - SIGRTMIN), &number) &&
			       !*at
			   ? SIGRTMIN + (int)number
			   : 0;
	}
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(name, at) == 0)
			return i;
	}
	return 0;
}

int cmd_kill(struct invocation *inv, const void *argument, struct err *err)
{
	const struct kill_settings *settings = argument;
	const char *word = inv->operand_count > 1 ? inv->operands[1] : "TERM";
	int number = signal_by_name(word);

	if (number == 0)
		return err_set(err, ERR_USAGE, "%s is not a signal", word);
	return ctckpt_oci_kill(inv->operands[0], number, settings->all, err);
}

int cmd_delete(struct invocation *inv, const void *argument, struct err *err)
{
	const struct delete_settings *settings = argument;
	struct err warning = ERR_NONE;
	int r = ctckpt_oci_delete(inv->operands[0], settings->force, &warning, err);

	if (r == 0 && warning.code != 0) {
		(void)fputs("ctckpt: warning: ", stderr);
		print_text(stderr, warning.text);
		(void)fputc('\n', stderr);
	}
	return r;
}
