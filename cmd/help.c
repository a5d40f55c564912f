/* --help and shell completion, from the tables. */
#include <string.h>

#include "cli.h"

enum { HELP_COLUMN = 28 };

static void print_row(FILE *out, const struct option_row *row)
{
	char left[80];
	char letter[5] = "    ";

	if (row->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	(void)snprintf(left, sizeof(left), "  %s--%s%s%s%s%s", letter, row->name,
		       row->type == OPTION_MAYBE ? "[" : "", row->argument ? "=" : "",
		       row->argument ? row->argument : "", row->type == OPTION_MAYBE ? "]" : "");
	if (strlen(left) < HELP_COLUMN)
		(void)fprintf(out, "%-*s%s\n", HELP_COLUMN, left, row->help);
	else
		(void)fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
}

static void print_rows(FILE *out, const struct option_row *row)
{
	for (; row && row->name; row++)
		print_row(out, row);
}

static void print_command_help(FILE *out, const struct command *command)
{
	(void)fprintf(out, "Usage: ctckpt %s [OPTION...]%s%s\n", command->name,
		      *command->operands ? " " : "", command->operands);
	(void)fprintf(out, "%s\n\nOptions:\n", command->summary);
	print_rows(out, command->options);
	print_rows(out, common_options);
	(void)fprintf(out, "\nSee ctckpt-%s(1).\n", command->name);
}

void cli_print_help(FILE *out, const struct command *command)
{
	if (command) {
		print_command_help(out, command);
		return;
	}

	(void)fputs("Usage: ctckpt COMMAND [OPTION...] [OPERAND...]\n"
		    "Checkpoint and restore whole containers, without privilege.\n\nCommands:\n",
		    out);
	for (command = commands; command->name; command++)
		(void)fprintf(out, "  %-12s%s\n", command->name, command->summary);
	(void)fputs("\nOptions of every command:\n", out);
	print_rows(out, common_options);
	(void)fputs("\nctckpt COMMAND --help explains a command. See ctckpt(1).\n", out);
}

/* ---- bash ---- */

static void print_option_words(FILE *out, const struct option_row *row)
{
	for (; row && row->name; row++) {
		(void)fprintf(out, " --%s", row->name);
		if (row->letter)
			(void)fprintf(out, " -%c", row->letter);
	}
}

/* What may follow an option: one of its words, a container, a directory, a file. */
static void print_argument_case(FILE *out, const struct command *command,
				const struct option_row *row)
{
	(void)fprintf(out, "\t%s:--%s", command->name, row->name);
	if (row->letter)
		(void)fprintf(out, "|%s:-%c", command->name, row->letter);
	(void)fputs(") ", out);

	if (row->words) {
		(void)fputs("words=\"", out);
		for (size_t i = 0; row->words[i]; i++)
			(void)fprintf(out, "%s%s", i ? " " : "", row->words[i]);
		(void)fputs("\"", out);
	} else if (strcmp(row->argument, "DIR") == 0) {
		(void)fputs("mapfile -t COMPREPLY < <(compgen -d -- \"$word\"); return", out);
	} else if (row->type == OPTION_NUMBER) {
		(void)fputs("return", out);
	} else {
		(void)fputs("mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return", out);
	}
	(void)fputs(" ;;\n", out);
}

static void print_operand_case(FILE *out, const struct command *command)
{
	(void)fprintf(out, "\t%s) words=\"", command->name);
	print_option_words(out, command->options);
	print_option_words(out, common_options);
	(void)fputs("\"; operand=", out);
	if (strstr(command->operands, "CONTAINER"))
		(void)fputs("container", out);
	else if (strstr(command->operands, "COMMAND"))
		(void)fputs("program", out);
	else
		(void)fputs(strstr(command->operands, "IMAGE") || strstr(command->operands, "FILE")
				? "file"
				: "none",
			    out);
	(void)fputs(" ;;\n", out);
}

void cli_print_completion(FILE *out)
{
	(void)fputs("# bash completion for ctckpt; printed by: ctckpt completion bash\n"
		    "_ctckpt()\n{\n"
		    "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
		    "\tlocal command=${COMP_WORDS[1]} words=\"\" operand=\"\"\n"
		    "\tif ((COMP_CWORD == 1)); then\n\t\twords=\"--help --version",
		    out);
	for (const struct command *command = commands; command->name; command++)
		(void)fprintf(out, " %s", command->name);
	(void)fputs("\"\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		    "\t\treturn\n\tfi\n\n\tcase $command:$before in\n",
		    out);
	for (const struct command *command = commands; command->name; command++)
		for (const struct option_row *row = command->options; row && row->name; row++)
			if (row->argument && row->type != OPTION_MAYBE)
				print_argument_case(out, command, row);
	(void)fputs("\tesac\n\tif [[ -n $words ]]; then\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		    "\t\treturn\n\tfi\n\n\tcase $command in\n",
		    out);
	for (const struct command *command = commands; command->name; command++)
		print_operand_case(out, command);
	(void)fputs("\tesac\n\n"
		    "\tif [[ $word == -* ]]; then\n"
		    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		    "\t\treturn\n\tfi\n\tcase $operand in\n"
		    "\tcontainer) mapfile -t COMPREPLY < "
		    "<(compgen -W \"$(ctckpt ps --quiet 2>/dev/null)\" -- \"$word\") ;;\n"
		    "\tprogram) mapfile -t COMPREPLY < <(compgen -c -- \"$word\") ;;\n"
		    "\tfile) mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n"
		    "\tesac\n}\ncomplete -o filenames -F _ctckpt ctckpt\n",
		    out);
}
