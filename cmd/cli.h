/* The command line: what a command is, and one table of options for each. From the tables follow
 * parsing, --help, shell completion and the check of the manual. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/err.h"

enum option_type {
	OPTION_FLAG,   /* bool: set to true */
	OPTION_CHOICE, /* int: set to `value`; rows with one destination exclude each other */
	OPTION_TEXT,   /* const char * */
	OPTION_MAYBE,  /* const char *: behind an equals sign; "" without one */
	OPTION_LIST,   /* const char **: one more each time; ends with NULL; lives on */
	OPTION_NUMBER, /* int, from 1 */
	OPTION_WORD,   /* int: the position in `words`, which ends with NULL */
};

struct option_row {
	const char *name;
	char letter;	      /* 0: has none */
	const char *argument; /* NULL for flags and choices */
	const char *help;
	enum option_type type;
	size_t destination; /* offset in the command's settings, which start as zeros */
	int value;
	const char *const *words;
};

/* Options that every command has. */
struct common_settings {
	bool json;
	bool verbose;
	bool debug;
	bool help;
	bool version;
};
extern const struct option_row common_options[];

struct invocation;

struct command {
	const char *name;
	const char *operands; /* as --help shows them */
	int operands_min;
	int operands_max; /* -1: no limit, and options end at the first operand */
	const char *summary;
	const struct option_row *options; /* NULL: only the common ones */
	size_t settings_size;
	/* Returns 0, a negative code with *err, or an exit status. */
	int (*run)(struct invocation *inv, const void *settings, struct err *err);
};
extern const struct command commands[]; /* ends with a NULL name */

struct invocation {
	const struct command *command; /* NULL: none was named */
	struct common_settings common;
	char **operands; /* owned; ends with NULL */
	size_t operand_count;
	int failure_status; /* 0: as the error's code says */
	char **argv;	    /* of main */
};

const struct command *command_find(const char *name);

/* Fills inv and *ret_settings (owned by the caller; NULL without a command). */
int cli_parse(struct invocation *inv, char **argv, void **ret_settings, struct err *err);
void cli_print_help(FILE *out, const struct command *command);
void cli_print_completion(FILE *out);
